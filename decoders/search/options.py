"""Types of the options that searches share, and the names of their policies. Imports no torch."""

from __future__ import annotations

from typing import Literal

Normalise = Literal["vocabulary", "slot"]
"""What a slot's probabilities sum to 1 over: the model's whole vocabulary, or the slot's own codes."""

Propose = Literal["top", "sample"]
"""How a beam's proposals are chosen: the best ones, or a seeded random sample."""

ExpansionName = Literal["any-order", "left-to-right"]
"""Keys of `expansion.EXPANSIONS`."""

PruningName = Literal["standard", "sum", "dedup", "dedup-sids", "penalty"]
"""Keys of `pruning.PRUNING_RULES`."""

PruneOption = Literal["bs", "dbs-dedup", "dbs-penalty"]
"""Values of the option `prune`: a pruning rule by the name of the any-order decoder that uses it."""

PRUNING_OF_DECODER: dict[PruneOption, PruningName] = {"bs": "standard", "dbs-dedup": "dedup", "dbs-penalty": "penalty"}
"""Value of the option `prune` -> pruning rule."""

ItemScore = Literal["marginal", "mean-log", "order"]
"""How the reveal orders of an item's codes make one score, see `item_scores.ItemScorer`."""

OrderOption = Literal["left-to-right", "reverse", "entropy"]
"""The reveal order of `score=order`: of the SID slots, or the slot of lowest entropy next."""
