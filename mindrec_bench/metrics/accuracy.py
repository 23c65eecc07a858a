"""Accuracy of ranked lists, per user: HR@k and NDCG@k (docs/semantics.md, Metrics)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.catalogue import Int
from .names import KS

Columns = dict[str, NDArray[Any]]
"""Metric -> its value for each user. Shape of each: (U,)"""


def hit_ranks(results: Int, targets: Int) -> NDArray[np.int32]:
    """The rank of each user's first hit, counted from 1; 0 for a miss. A hit is an equal SID.

    Args:
        results: the results' SID sequences (`CatalogueIndex.number_sequences`), best first, -1 in the padding, which is
            never a hit. Shape: (U, b)
        targets: the SID sequences of the true next items. Shape: (U,)

    Returns:
        Shape: (U,)
    """
    if results.shape[1] == 0:
        return np.zeros(len(results), dtype=np.int32)
    hits = (results == targets[:, None]) & (results >= 0)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int32)


def hr_and_ndcg(ranks: NDArray[np.int32]) -> Columns:
    """HR@k and NDCG@k of each user, from the ranks that `hit_ranks` gives.

    One item is relevant, so NDCG@k = 1 / log2(rank + 1) where 1 <= rank <= k, else 0 (the ideal DCG is 1).

    Returns:
        `RANKING_METRICS`, float64. Shape of each: (U,)
    """
    gain = 1 / np.log2(np.maximum(ranks, 1) + 1.0)
    hits = {k: (ranks >= 1) & (ranks <= k) for k in KS}
    return {f"hr@{k}": hits[k].astype(np.float64) for k in KS} | {f"ndcg@{k}": np.where(hits[k], gain, 0.0) for k in KS}


def duplicated(results: Int) -> NDArray[np.bool_]:
    """Whether an equal number occurs further left in the same row. Shape: (U, b) -> (U, b)"""
    order = np.argsort(results, axis=1, kind="stable")
    ordered = np.take_along_axis(results, order, axis=1)
    equals_previous = np.zeros(results.shape, dtype=bool)
    equals_previous[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    duplicates = np.empty_like(equals_previous)
    np.put_along_axis(duplicates, order, equals_previous, axis=1)
    return duplicates
