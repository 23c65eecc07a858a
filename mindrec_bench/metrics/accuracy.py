"""Accuracy of ranked lists, per user: HR@k and NDCG@k."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import Int

KS = (1, 3, 5, 10)
"""The cut-offs k of HR@k and NDCG@k."""


RANKING_METRICS = tuple(f"{name}@{k}" for name in ("hr", "ndcg") for k in KS)
"""The metrics with a value for every user, as keys: hr@1 ... ndcg@10."""


Columns = dict[str, NDArray[Any]]


def hit_ranks(keys: Int, targets: Int) -> NDArray[np.int32]:
    """The rank of each user's first hit, counted from 1; 0 for a miss. A hit is an equal SID.

    Args:
        keys: `CodeSpace.sid_key` of the results, best first, -1 in the padding (which never hits). Shape: (U, b)
        targets: `CodeSpace.sid_key` of the true next items. Shape: (U,)

    Returns:
        Shape: (U,)
    """
    if keys.shape[1] == 0:
        return np.zeros(len(keys), dtype=np.int32)
    hits = (keys == targets[:, None]) & (keys >= 0)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int32)


def per_user(ranks: NDArray[np.int32]) -> Columns:
    """HR@k and NDCG@k of each user, from the ranks that `hit_ranks` gives.

    One item is relevant, so NDCG@k = 1 / log2(rank + 1) where 1 <= rank <= k, else 0 (the ideal DCG is 1).

    Returns:
        `RANKING_METRICS`, float64. Shape of each: (U,)
    """
    gain = 1 / np.log2(np.maximum(ranks, 1) + 1.0)
    hits = {k: (ranks >= 1) & (ranks <= k) for k in KS}
    return {f"hr@{k}": hits[k].astype(np.float64) for k in KS} | {f"ndcg@{k}": np.where(hits[k], gain, 0.0) for k in KS}


def repeats(keys: Int) -> NDArray[np.bool_]:
    """Where a key stands further left in its row already. Shape: (U, b) -> (U, b)"""
    order = np.argsort(keys, axis=1, kind="stable")
    ordered = np.take_along_axis(keys, order, axis=1)
    same = np.zeros(keys.shape, dtype=bool)
    same[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    repeats = np.empty_like(same)
    np.put_along_axis(repeats, order, same, axis=1)
    return repeats
