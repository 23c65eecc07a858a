"""The concepts that everything else builds on, and all that a plugin imports (docs/extending.md)."""
