"""Sweeps: grids of runs, of which the best model options are chosen on the validation items."""
