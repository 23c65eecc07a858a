"""Datasets: sources, data folders, categories and checks."""
