"""One TOML file for each table and figure of the paper: rows, columns, the runs they need, the published values."""
