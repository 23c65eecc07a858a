"""`itemknn`: items that the same users have as the items of the history (semantics: simple baselines come first).

The similarity of two items is the cosine of their user vectors over the training parts (1 where the user has the item,
else 0), damped by `shrink` in the denominator; every item keeps its `k` most similar others. A score is the sum of
the similarities to the history's items, and p mixes it with popularity: p = (1 - mix) s / sum(s) + mix pop.
No learning; one sparse product a batch.

    mrbench run --model itemknn --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import Int

from .common.items import Float, ItemModel, Untrained, log, mixed, popularity

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from mindrec_bench.core.dataset import Dataset


@dataclass(frozen=True)
class ItemKnn(Untrained):
    """Nearest items by the cosine of who has them, summed over the history, mixed with popularity.

    Attributes:
        k: how many neighbours an item keeps; None for all.
        shrink: added to the denominator of the cosine, so that similarities seen in few users count less; 0 or more.
        mix: share of popularity, 0 to 1.
    """

    k: int | None = 20
    shrink: float = 30.0
    mix: float = 0.1

    def __post_init__(self) -> None:
        if self.k is not None and self.k < 1:
            raise ValueError(f"k is {self.k}; it must be 1 or more, or none for all neighbours")
        if self.shrink < 0:
            raise ValueError(f"shrink is {self.shrink}; it must be 0 or more")
        if not 0 <= self.mix <= 1:
            raise ValueError(f"mix is {self.mix}; it must be from 0 to 1")

    def load(self, task: Task, folder: Path) -> ItemModel:
        """Compare all items of the training parts."""
        from scipy.sparse import csr_array

        n = task.data.n_items
        neighbours = nearest(similarities(task.data, self.shrink), self.k)
        popular = popularity(task.data)

        def log_probs(items: Int) -> Float:
            rows, columns = np.nonzero(items >= 0)
            history = csr_array((np.ones(len(rows)), (rows, items[rows, columns])), shape=(len(items), n))
            return log(mixed((history @ neighbours).toarray(), popular, self.mix))

        return ItemModel(log_probs, task.device)


def similarities(data: Dataset, shrink: float) -> csr_array:
    """Damped cosine of any two different items that a user has in common: |a and b| / (sqrt(|a| |b|) + shrink).

    Shape: (N, N), float64, nothing on the diagonal.
    """
    from scipy.sparse import coo_array, csr_array

    users = np.repeat(np.arange(data.n_users), np.diff(data.offsets))[data.in_training]
    items = data.items[data.in_training]
    has = csr_array((np.ones(len(items)), (users, items)), shape=(data.n_users, data.n_items))
    has.data[:] = 1.0  # a user who has an item twice has it
    counts = has.sum(axis=0)
    both: coo_array = (has.T @ has).tocoo()
    first, second = both.coords
    values = both.data / (np.sqrt(counts[first] * counts[second]) + shrink)
    others = first != second
    return csr_array((values[others], (first[others], second[others])), shape=both.shape)


def nearest(similar: csr_array, k: int | None) -> csr_array:
    """The k largest entries of each row; ties go to the lower column. Same shape."""
    from scipy.sparse import csr_array

    if k is None:
        return similar
    rows = np.repeat(np.arange(similar.shape[0]), np.diff(similar.indptr))
    # 12 digits: the order of the two factors under the root must not decide between equal neighbours
    order = np.lexsort((similar.indices, -similar.data.round(12), rows))
    place = np.arange(len(order)) - similar.indptr[rows]
    kept = order[place < k]
    return csr_array((similar.data[kept], (rows[kept], similar.indices[kept])), shape=similar.shape)
