"""What the times of interactions say about a split: ties, and training on what came after a test target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..core.code_space import Int
from ..core.dataset import Dataset
from ..data.times import count_ties


def shuffle_ties(dataset: Dataset, times: Int, seed: int) -> Dataset:
    """The same interactions, those of one user and one time in a random order."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(times)), times, dataset.user_of))
    return replace(dataset, items=dataset.items[order])


def describe_ties(dataset: Dataset, times: Int, shuffled: Dataset) -> dict[str, Any]:
    """How many interactions and test targets are tied, and how many targets a shuffle of ties changes."""
    test = dataset.split.test
    ties = count_ties(dataset.user_of, times, test)
    return {
        "tied_interactions": ties.interactions,
        "tied_interactions_share": ties.interactions / len(times),
        "tied_test_targets": ties.targets,
        "tied_test_targets_share": ties.targets / len(test),
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
