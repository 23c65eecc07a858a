"""Import tables of interactions and items as data folders."""
