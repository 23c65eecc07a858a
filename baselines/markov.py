"""`markov`: what came next in training after the items of the history (semantics: simple baselines come first).

Counts of a -> b between neighbours in the training parts, summed over the history's items a with weight decay^distance
(0 for the latest), then mixed with popularity: p = (1 - mix) m + mix pop. No learning; one sparse product a batch.

    mrbench run --model markov --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import Int

from .common.items import Float, ItemModel, Untrained, log, mixed, popularity


@dataclass(frozen=True)
class Markov(Untrained):
    """First-order transitions from the latest items, nearer ones weighing more, mixed with popularity.

    Attributes:
        decay: weight of a history item per step of distance, above 0, at most 1 (1: all weigh the same).
        mix: share of popularity, 0 to 1.
    """

    decay: float = 0.8
    mix: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.decay <= 1:
            raise ValueError(f"decay is {self.decay}; it must be above 0 and at most 1")
        if not 0 <= self.mix <= 1:
            raise ValueError(f"mix is {self.mix}; it must be from 0 to 1")

    def load(self, task: Task, folder: Path) -> ItemModel:
        """Count the neighbours of the training parts."""
        from scipy.sparse import csr_array

        first, second = task.data.train_pairs()
        n = task.data.n_items
        transitions = csr_array((np.ones(len(first)), (first, second)), shape=(n, n))
        popular = popularity(task.data)

        def log_probs(items: Int) -> Float:
            rows, columns = np.nonzero(items >= 0)
            weights = self.decay ** (items.shape[1] - 1.0 - columns)
            history = csr_array((weights, (rows, items[rows, columns])), shape=(len(items), n))
            return log(mixed((history @ transitions).toarray(), popular, self.mix))

        return ItemModel(log_probs, task.device)
