"""`markov`: the items that followed those of the history in training (docs/semantics.md, Simple baselines).

Transitions a -> b between neighbours in the training parts are counted. The counts of the history's items a are summed
with weight decay^distance (distance 0 for the latest), normalised to m, and mixed with popularity:
p = (1 - mix) m + mix pop. There is no training; a batch is one sparse product.

    mrbench run --model markov --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import Int
from mindrec_bench.plugins.options import option

from .common.untrained import (
    Float,
    UntrainedBackbone,
    UntrainedModel,
    log_probabilities,
    mix_with_popularity,
    popularity,
)


@dataclass(frozen=True)
class Markov(UntrainedBackbone):
    """First-order transitions from the latest items, recent ones weighted more, mixed with popularity."""

    decay: float = option(
        0.8, help="factor on a history item's weight per step of distance, above 0, at most 1 (1: all weigh the same)."
    )
    mix: float = option(0.1, help="weight of popularity, 0 to 1.")

    def __post_init__(self) -> None:
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay is {self.decay}; it must be above 0 and at most 1")
        if not 0 <= self.mix <= 1:
            raise ValueError(f"mix is {self.mix}; it must be from 0 to 1")

    def load(self, task: Task, folder: Path) -> UntrainedModel:
        """Count the transitions of the training parts."""
        from scipy.sparse import csr_array

        first, second = task.data.train_pairs()
        n_items = task.data.n_items
        transitions = csr_array((np.ones(len(first)), (first, second)), shape=(n_items, n_items))
        item_popularity = popularity(task.data)

        def log_probs(items: Int) -> Float:
            rows, columns = np.nonzero(items >= 0)
            weights = self.decay ** (items.shape[1] - 1.0 - columns)
            history = csr_array((weights, (rows, items[rows, columns])), shape=(len(items), n_items))
            scores = (history @ transitions).toarray()
            return log_probabilities(mix_with_popularity(scores, item_popularity, self.mix))

        return UntrainedModel(log_probs, task.device)
