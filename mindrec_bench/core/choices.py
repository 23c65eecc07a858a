"""What an experiment chooses of its data and slots. Imports no NumPy, so that the help of a command starts quickly."""

from __future__ import annotations

from typing import Literal

Categories = Literal["none", "history", "generate", "given"]
"""How a run uses category slots."""

Constrain = Literal["slots", "catalogue"]
"""What a slot may hold: any of its codes, or only codes that keep a catalogue item reachable."""

Split = Literal["test", "valid"]
"""Which held-out items are the targets."""

LEAVE_ONE_OUT = "leave-one-out"
"""The default of what is held out: the last items of each user (`holdout.Holdout`)."""

HISTORY = 10
"""How many items a history keeps unless a run says otherwise, the latest ones."""
