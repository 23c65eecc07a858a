"""Every backbone: one file per registered name, plus what they share."""
