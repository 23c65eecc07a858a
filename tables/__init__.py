"""One TOML file per table or figure: its rows and columns, the runs that they need, and the published values."""
