"""`itemknn`: items with the same users as the items of the history (docs/semantics.md, Simple baselines).

The similarity of two items is the cosine of their user vectors over the training parts (1 where the user has the item,
else 0), with `shrink` added to the denominator; every item keeps its `k` most similar other items. A score s is the sum
of the similarities to the history's items, mixed with popularity: p = (1 - mix) s / sum(s) + mix pop. There is no
training; a batch is one sparse product.

    mrbench run --model itemknn --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from mindrec_bench.core.dataset import Dataset


@dataclass(frozen=True)
class ItemKnn(UntrainedBackbone):
    """Item-based nearest neighbours: cosine of their users, summed over the history, mixed with popularity."""

    k: int | None = option(20, help="how many neighbours an item keeps; None for all.")
    shrink: float = option(
        30.0,
        help="added to the denominator of the cosine, so that similarities based on few users count less; 0 or more.",
    )
    mix: float = option(0.1, help="weight of popularity, 0 to 1.")

    def __post_init__(self) -> None:
        if self.k is not None and self.k < 1:
            raise ValueError(f"k is {self.k}; it must be 1 or more, or none for all neighbours")
        if self.shrink < 0:
            raise ValueError(f"shrink is {self.shrink}; it must be 0 or more")
        if not 0 <= self.mix <= 1:
            raise ValueError(f"mix is {self.mix}; it must be from 0 to 1")

    def load(self, task: Task, folder: Path) -> UntrainedModel:
        """Compare all items of the training parts."""
        from scipy.sparse import csr_array

        n_items = task.data.n_items
        neighbours = nearest_neighbours(item_similarities(task.data, self.shrink), self.k)
        item_popularity = popularity(task.data)

        def log_probs(items: Int) -> Float:
            rows, columns = np.nonzero(items >= 0)
            history = csr_array((np.ones(len(rows)), (rows, items[rows, columns])), shape=(len(items), n_items))
            scores = (history @ neighbours).toarray()
            return log_probabilities(mix_with_popularity(scores, item_popularity, self.mix))

        return UntrainedModel(log_probs, task.device)


def item_similarities(data: Dataset, shrink: float) -> csr_array:
    """Damped cosine of each two different items with a user in common: |a and b| / (sqrt(|a| |b|) + shrink).

    Shape: (N, N), float64; the diagonal is empty.
    """
    from scipy.sparse import coo_array, csr_array

    users = np.repeat(np.arange(data.n_users), np.diff(data.offsets))[data.in_training]
    items = data.items[data.in_training]
    has_item = csr_array((np.ones(len(items)), (users, items)), shape=(data.n_users, data.n_items))
    has_item.data[:] = 1.0  # repeated items count once
    counts = has_item.sum(axis=0)
    common: coo_array = (has_item.T @ has_item).tocoo()
    first, second = common.coords
    similarities = common.data / (np.sqrt(counts[first] * counts[second]) + shrink)
    different = first != second
    return csr_array((similarities[different], (first[different], second[different])), shape=common.shape)


def nearest_neighbours(similarities: csr_array, k: int | None) -> csr_array:
    """The k largest entries of each row; ties go to the lower column. Same shape."""
    from scipy.sparse import csr_array

    if k is None:
        return similarities
    rows = np.repeat(np.arange(similarities.shape[0]), np.diff(similarities.indptr))
    # rounded to 12 digits, so that the order of the factors under the root does not decide between equal neighbours
    order = np.lexsort((similarities.indices, -similarities.data.round(12), rows))
    rank = np.arange(len(order)) - similarities.indptr[rows]
    kept = order[rank < k]
    return csr_array((similarities.data[kept], (rows[kept], similarities.indices[kept])), shape=similarities.shape)
