"""Accuracy of ranked lists, per user: HR@k, NDCG@k and MRR@k (docs/semantics.md, Metrics)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.catalogue import Int
from .names import KS, RANKING_METRICS, split_metric

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


def rank_metric(metric: str, ranks: NDArray[np.int32]) -> NDArray[np.float64]:
    """HR@k, NDCG@k or MRR@k of each user, from the ranks that `hit_ranks` gives.

    One item is relevant, so where 1 <= rank <= k, HR@k is 1, NDCG@k is 1 / log2(rank + 1) (the ideal DCG is 1) and
    MRR@k is 1 / rank; elsewhere all are 0.

    Args:
        metric: one of `names.RANK_METRICS` at any k, such as `ndcg@20`; k must not exceed the length of the lists.
        ranks: Shape: (U,)

    Returns:
        Shape: (U,)
    """
    name, k = split_metric(metric)
    rank = np.maximum(ranks, 1).astype(np.float64)
    gains = {"hr": np.ones_like(rank), "ndcg": 1 / np.log2(rank + 1), "mrr": 1 / rank}
    return np.where((ranks >= 1) & (ranks <= k), gains[name], 0.0)


def hr_and_ndcg(ranks: NDArray[np.int32]) -> Columns:
    """`names.RANKING_METRICS` of each user, from the ranks that `hit_ranks` gives. Shape of each: (U,)"""
    return {metric: rank_metric(metric, ranks) for metric in RANKING_METRICS}


def item_hit_rates(results: Int, targets: Int, ranks: NDArray[np.int32], n_items: Int) -> Columns:
    """HR@k where a hit is the item itself: the expected value, with the items of a SID in random order.

    A result takes as many places as items have its SID; one that no item has, or that repeats another, takes one.

    Args:
        results: as in `hit_ranks`, numbers from C on where they are no item. Shape: (U, b)
        targets: the SID sequences of the true next items. Shape: (U,)
        ranks: from `hit_ranks`. Shape: (U,)
        n_items: how many items have each of the C distinct SIDs. Shape: (C,)

    Returns:
        `hr@k` for each k in `KS`, float64. Shape of each: (U,)
    """
    sharing = n_items[targets]
    if results.shape[1] == 0:
        return {f"hr@{k}": np.zeros(len(results)) for k in KS}
    is_item = (results >= 0) & (results < len(n_items)) & ~duplicated(results)
    places = np.where(is_item, n_items[np.where(is_item, results, 0)], 1)
    first = np.maximum(ranks, 1) - 1
    before = (np.cumsum(places, axis=1) - places)[np.arange(len(results)), first]
    return {f"hr@{k}": np.where(ranks > 0, np.clip((k - before) / sharing, 0.0, 1.0), 0.0) for k in KS}


def duplicated(results: Int) -> NDArray[np.bool_]:
    """Whether an equal number occurs further left in the same row. Shape: (U, b) -> (U, b)"""
    order = np.argsort(results, axis=1, kind="stable")
    ordered = np.take_along_axis(results, order, axis=1)
    equals_previous = np.zeros(results.shape, dtype=bool)
    equals_previous[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    duplicates = np.empty_like(equals_previous)
    np.put_along_axis(duplicates, order, equals_previous, axis=1)
    return duplicates
