"""`last-items`: items near the last one or two of the history, an untrained heuristic after arXiv 2605.07125.

Two items are neighbours where the second follows the first in a training part. Items one step from a last item come
first, then those two steps away, and so on to `steps`; items within one ring are ordered by their similarity to the
last items, and all others come after them by popularity. The paper compares embeddings of the items' texts; here the
similarity is the cosine of the items' co-occurrence vectors (how many training users have both an item and another),
a stand-in that needs no texts.

Only the order is the heuristic's. Scores that give it: a ring's is half of that of the ring before it, times 1 + the
similarity; the other items share 2^-steps by popularity. A last item itself is one of the others.

    mrbench run --model last-items --decoder rank-items --data arts --exclude-history
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import Int
from mindrec_bench.plugins.options import option

from .common.untrained import Float, UntrainedBackbone, UntrainedModel, log_probabilities, popularity

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from mindrec_bench.core.dataset import Dataset


@dataclass(frozen=True)
class LastItems(UntrainedBackbone):
    """Items within a few transitions of the last items: nearer rings first, inside a ring by similarity."""

    last: int = option(1, help="how many of the latest items count.")
    steps: int = option(3, help="how many transitions an item may be away from a last one.")

    def __post_init__(self) -> None:
        for name in ("last", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more")

    def load(self, task: Task, folder: Path) -> UntrainedModel:
        """Read the transitions and the co-occurrences of the training parts."""
        from scipy.sparse import csr_array

        first, second = task.data.train_pairs()
        n_items = task.data.n_items
        transitions = csr_array((np.ones(len(first)), (first, second)), shape=(n_items, n_items))
        vectors, item_popularity = cooccurrence_directions(task.data), popularity(task.data)

        def log_probs(items: Int) -> Float:
            items = items[:, -self.last :]
            rows, columns = np.nonzero(items >= 0)
            latest = csr_array((np.ones(len(rows)), (rows, items[rows, columns])), shape=(len(items), n_items))
            mean = latest.multiply(1 / (items >= 0).sum(axis=1).clip(min=1)[:, None]).tocsr()
            similarity = (mean @ vectors @ vectors.T).toarray().round(12).clip(max=1 - 1e-9)
            scores = np.repeat(2.0**-self.steps * item_popularity[None], len(items), axis=0)
            reached = latest.astype(bool)
            rings = [reached := (reached @ transitions).astype(bool) for _ in range(self.steps)]
            for step in range(self.steps, 0, -1):  # the nearest ring last: it overwrites those farther away
                user, item = rings[step - 1].nonzero()
                scores[user, item] = 2.0**-step * (1 + similarity[user, item])
            user, item = latest.nonzero()
            scores[user, item] = 2.0**-self.steps * item_popularity[item]
            return log_probabilities(scores / scores.sum(axis=1, keepdims=True))

        return UntrainedModel(log_probs, task.device)


def cooccurrence_directions(data: Dataset) -> csr_array:
    """How many training users have an item and each other one, scaled to length 1; empty where none has.

    Shape: (N, N), float64; the diagonal is empty.
    """
    from scipy.sparse import csr_array

    users, items = data.user_of[data.in_training], data.items[data.in_training]
    has_item = csr_array((np.ones(len(items)), (users, items)), shape=(data.n_users, data.n_items))
    has_item.data[:] = 1.0  # repeated items count once
    counts = (has_item.T @ has_item).tocoo()
    first, second = counts.coords
    different = first != second
    first, second, values = first[different], second[different], counts.data[different]
    lengths = np.sqrt(np.bincount(first, values**2, minlength=data.n_items))
    return csr_array((values / lengths[first], (first, second)), shape=counts.shape)
