"""Stored runs as a folder of HTML pages (`mrbench report`): leaderboards, a page for each run, comparisons of two."""
