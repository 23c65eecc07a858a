"""Co-occurrence in the training sequences, against counting by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mindrec_bench.core.choices import HISTORY
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.tokenizers.cooccurrence import SMOOTHING, cooccurrence_vectors, cooccurrences

MakeData = Callable[..., Dataset]


def count_by_hand(data: Dataset) -> np.ndarray:
    counts = np.zeros((data.n_items, data.n_items))
    for start, end in zip(data.offsets, data.offsets[1:], strict=False):
        training = data.items[start : end - 2]
        for position, first in enumerate(training):
            for second in training[position + 1 : position + 1 + HISTORY]:
                if first != second:
                    counts[first, second] += 1
                    counts[second, first] += 1
    return counts


def test_counts(make_data: MakeData) -> None:
    data = make_data(users=12, items=15, longest=30)
    expected = count_by_hand(data)
    assert expected.sum() > 200
    assert (cooccurrences(data).toarray() == expected).all()


def test_vectors_approximate_the_mutual_information(make_data: MakeData) -> None:
    """With as many dimensions as items, the rows' inner products are those of the exact left factor."""
    data = make_data(users=40, items=10, longest=20)
    counts = count_by_hand(data)
    degree = counts.sum(axis=1)
    context = degree**SMOOTHING / (degree**SMOOTHING).sum()
    with np.errstate(divide="ignore"):
        matrix = np.maximum(np.log(counts / (degree[:, None] * context)), 0)
    left, values, _ = np.linalg.svd(matrix)
    expected = (left * values) @ left.T
    vectors = cooccurrence_vectors(data, 10, seed=0)
    assert vectors @ vectors.T == pytest.approx(expected, abs=1e-4)


def test_the_last_two_items_of_each_user_are_not_read(make_data: MakeData) -> None:
    data = make_data(users=12, items=15, longest=30)
    held_out = np.flatnonzero(~data.in_training)
    before = cooccurrence_vectors(data, 4, seed=0)
    data.items[held_out] = (data.items[held_out] + 1) % 15
    assert (cooccurrence_vectors(data, 4, seed=0) == before).all()
    trained = np.flatnonzero(data.in_training)
    data.items[trained[:5]] = (data.items[trained[:5]] + 1) % 15
    assert (cooccurrence_vectors(data, 4, seed=0) != before).any()


def test_items_that_occur_near_no_other_have_zero_vectors(make_data: MakeData) -> None:
    data = make_data(users=5, items=40, longest=6)
    isolated = count_by_hand(data).sum(axis=1) == 0
    assert 0 < isolated.sum() < 40
    vectors = cooccurrence_vectors(data, 64, seed=0)
    assert vectors.shape == (40, 64)
    assert (vectors.any(axis=1) == ~isolated).all()
    assert not cooccurrence_vectors(make_data(users=3, items=5, longest=3), 4, seed=0).any()  # no training interactions
