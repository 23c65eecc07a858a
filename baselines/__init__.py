"""Every backbone: one file a registry name, plus what they share."""
