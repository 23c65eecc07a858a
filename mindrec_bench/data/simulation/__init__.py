"""Simulated datasets, whose true next-item distribution is known."""
