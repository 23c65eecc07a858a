"""The text of figure files."""

from __future__ import annotations

HEAD = """
title = "Decay of $p_x$"
kind = "figure"
data = ["arts", "games"]
metrics = ["hr@1", "ndcg@3", "entropy", "ttr"]
x_label = "decay"
timings = ["ms_per_user"]
notes = ["A note."]
"""


def point_row(decay: float, x: float) -> str:
    """The row of one point in the figure's file."""
    return (
        f'[[rows]]\nlabel = "decay={decay}"\nmodel = "markov:decay={decay}"\ndecoder = "bs"\ncategories = "none"\n'
        f"x = {x}\n"
    )
