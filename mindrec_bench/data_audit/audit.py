"""Audit a dataset: what a test on it can show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.dataset import Dataset
from ..data.slices import is_cold, is_seen_transition
from .target_ranks import BASELINES, TargetRanks, rank_targets
from .times import count_leakage, describe_ties, shuffle_ties

K = 10
"""The cut-off of HR."""

Rank = Callable[[Dataset, str], TargetRanks]


def audit_data(dataset: Dataset, *, seed: int = 42, rank: Rank = rank_targets) -> dict[str, Any]:
    """Count what the data give away, as plain values for JSON.

    Args:
        dataset: with its split.
        seed: of the order into which ties are shuffled.
        rank: ranks the targets with a model.

    Returns:
        `name`, `users` (with a target), `items`, `interactions`, `holdout` and `history`, `notes`, and the sections
        `times`, `repeats`, `unseen`, `sids` and `memorisable` (`hr@10` of each of `BASELINES`: `all`, `memorisable`,
        `rest`, and `by_item` where a hit is a match of items).

    Raises:
        DataError: the file of times is broken.
    """
    ranks = {model: rank(dataset, model) for model in BASELINES}
    return {
        "name": dataset.name,
        "users": len(dataset.split.test),
        "items": dataset.n_items,
        "interactions": len(dataset.items),
        "holdout": str(dataset.holdout),
        "history": dataset.history,
        "notes": [*dataset.category_notes, *dataset.notes],
        "times": _times(dataset, ranks, seed, rank),
        "repeats": _repeats(dataset),
        "unseen": _unseen(dataset),
        "sids": _sids(dataset, ranks),
        "memorisable": _memorisable(dataset, ranks),
    }


def _hr(hits: NDArray[np.bool_]) -> float | None:
    """The share of hits; None of no users."""
    return float(hits.mean()) if len(hits) else None


def _times(dataset: Dataset, ranks: dict[str, TargetRanks], seed: int, rank: Rank) -> dict[str, Any]:
    if dataset.times is None:
        return {"known": False}
    times = dataset.times.values
    shuffled = shuffle_ties(dataset, times, seed)
    values = {"known": True, **describe_ties(dataset, times, shuffled), **count_leakage(dataset, times)}
    if values["tied_interactions"]:
        values[f"hr@{K}"] = {
            model: {"as_is": _hr(ranks[model].hits(K)), "shuffled": _hr(rank(shuffled, model).hits(K))}
            for model in BASELINES
        }
    return values


def _repeats(dataset: Dataset) -> dict[str, Any]:
    """Interactions with an item that the user has had before, and targets that are in the history."""
    first = np.unique(dataset.user_of * dataset.n_items + dataset.items, return_index=True)[1]
    repeated = np.ones(len(dataset.items), dtype=bool)
    repeated[first] = False
    test = dataset.test()
    in_history = (test.histories.items == test.targets[:, None]).any(axis=1)
    return {
        "repeated_interactions": int(repeated.sum()),
        "repeated_interactions_share": float(repeated.mean()),
        "test_targets_had_before": int(repeated[dataset.split.test].sum()),
        "test_targets_in_history": int(in_history.sum()),
        "test_targets_in_history_share": float(in_history.mean()),
    }


def _unseen(dataset: Dataset) -> dict[str, Any]:
    unseen = is_cold(dataset, dataset.split.test)
    return {"test_targets": int(unseen.sum()), "test_targets_share": float(unseen.mean())}


def _sids(dataset: Dataset, ranks: dict[str, TargetRanks]) -> dict[str, Any]:
    """Items that share a semantic ID, and the hits that a match of IDs counts and a match of items does not."""
    if not dataset.has_sids:
        return {"known": False}
    sequences = dataset.space(categories=False).sid_index.item_sequences
    shared = np.bincount(sequences)[sequences] > 1
    targets = shared[dataset.test().targets]
    return {
        "known": True,
        "items_sharing": int(shared.sum()),
        "test_targets_sharing": int(targets.sum()),
        "test_targets_sharing_share": float(targets.mean()),
        f"given_away_hr@{K}": {
            model: float(of_model.hits(K).mean() - of_model.hits(K, by="item").mean())
            for model, of_model in ranks.items()
        },
    }


def _memorisable(dataset: Dataset, ranks: dict[str, TargetRanks]) -> dict[str, Any]:
    """Test targets that somewhere in training come right after the last item of the history."""
    follows = is_seen_transition(dataset, dataset.split.test)
    return {
        "test_targets": int(follows.sum()),
        "test_targets_share": float(follows.mean()),
        f"hr@{K}": {
            model: {
                "all": _hr(hits := of_model.hits(K)),
                "memorisable": _hr(hits[follows]),
                "rest": _hr(hits[~follows]),
                "by_item": _hr(of_model.hits(K, by="item")),
            }
            for model, of_model in ranks.items()
        },
    }
