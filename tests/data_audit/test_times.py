"""Ties and leakage, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.data_audit.times import count_leakage, describe_ties, shuffle_ties

from ..core.test_holdout import make_dataset

SEQUENCES = [[0, 1, 2, 3], [4, 5, 6, 7]]
TIMES = [[1, 2, 2, 5], [3, 4, 9, 9]]


def test_shuffling_moves_ties_only() -> None:
    data = make_dataset(SEQUENCES, TIMES)
    times = data.require_times("the test").values
    orders = {tuple(shuffle_ties(data, times, seed).items.tolist()) for seed in range(40)}
    assert orders == {(0, *middle, 3, 4, 5, *last) for middle in ((1, 2), (2, 1)) for last in ((6, 7), (7, 6))}
    assert shuffle_ties(data, times, 3).items.tolist() == shuffle_ties(data, times, 3).items.tolist()
    shuffled = next(s for seed in range(40) if (s := shuffle_ties(data, times, seed)).items[-1] == 6)
    counts = describe_ties(data, times, shuffled)
    assert counts["tied_interactions"] == 4
    assert (counts["tied_test_targets"], counts["targets_changed_by_shuffling"]) == (1, 1)


def test_training_after_targets() -> None:
    data = make_dataset([[0, 1, 2, 3], [4, 5, 6, 7]], [[1, 2, 3, 4], [5, 6, 7, 8]])
    counts = count_leakage(data, data.require_times("the test").values)
    # Training is at 1, 2, 5, 6; the targets are at 4 and 8.
    assert counts["training_after_first_target"] == 2
    assert counts["training_after_first_target_share"] == 0.5
    assert counts["training_after_own_target_share"] == pytest.approx(np.mean([0.5, 0.0]))
