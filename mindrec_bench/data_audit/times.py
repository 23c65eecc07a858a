"""What the times of interactions say about a split: ties, and training on what came after a test target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import Int
from ..core.dataset import Dataset


def tied(dataset: Dataset, times: Int) -> NDArray[np.bool_]:
    """Which interactions have the time of a neighbour of the same user. Shape: (interactions,)"""
    equals_previous = np.zeros(len(times), dtype=bool)
    equals_previous[1:] = times[1:] == times[:-1]
    equals_previous[dataset.offsets[:-1]] = False
    equals_next = np.append(equals_previous[1:], False)
    return equals_previous | equals_next


def shuffle_ties(dataset: Dataset, times: Int, seed: int) -> Dataset:
    """The same interactions, those of one user and one time in a random order."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(dataset.n_users), np.diff(dataset.offsets))
    order = np.lexsort((rng.random(len(times)), times, users))
    return replace(dataset, items=dataset.items[order])


def count_ties(dataset: Dataset, times: Int, shuffled: Dataset) -> dict[str, Any]:
    """How many interactions and test targets are tied with a neighbour, and how many targets a shuffle changes."""
    is_tied, test = tied(dataset, times), dataset.split.test
    return {
        "tied_interactions": int(is_tied.sum()),
        "tied_interactions_share": float(is_tied.mean()),
        "tied_test_targets": int(is_tied[test].sum()),
        "tied_test_targets_share": float(is_tied[test].mean()),
        "targets_changed_by_shuffling": int((dataset.test().targets != shuffled.test().targets).sum()),
    }


def count_leakage(dataset: Dataset, times: Int) -> dict[str, Any]:
    """How much of training came after the first test target, and after the target of a test user on average."""
    training, targets = np.sort(times[dataset.in_training]), times[dataset.split.test]
    later = len(training) - np.searchsorted(training, targets, side="right")
    return {
        "training_after_first_target": int(len(training) - np.searchsorted(training, targets.min(), side="right")),
        "training_after_first_target_share": float((training > targets.min()).mean()),
        "training_after_own_target_share": float(later.mean() / len(training)),
    }
