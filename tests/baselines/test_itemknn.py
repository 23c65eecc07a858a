"""`itemknn` against sums computed by hand and by loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mindrec_baselines.itemknn import ItemKnn, item_similarities, nearest_neighbours
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins.options import build


def dataset(*sequences: list[int], items: int) -> Dataset:
    """Users with these sequences; the last two items of each are held out."""
    return Dataset(
        name="small",
        users=np.arange(len(sequences)),
        offsets=np.concatenate([[0], np.cumsum([len(sequence) for sequence in sequences])]),
        items=np.concatenate(sequences),
        item_ids=[str(item) for item in range(items)],
        sids=np.arange(items)[:, None],
        categories=None,
        fingerprint="small",
    )


def probabilities(backbone: ItemKnn, data: Dataset, *history: int) -> np.ndarray:
    model = backbone.load(Task(data, data.space(categories=False)), Path())
    return np.exp(model.log_probs(np.array([[-1, *history]])))[0]


@pytest.fixture
def three() -> Dataset:
    """Training parts {0, 1}, {0, 1, 2} and {0, 2, 2}: items 0, 1, 2 have 3, 2, 2 users."""
    return dataset([0, 1, 3, 3], [0, 1, 2, 3, 3], [0, 2, 2, 3, 3], items=4)


def test_similarity_is_the_cosine_of_user_vectors(three: Dataset) -> None:
    cosine = 2 / math.sqrt(6)  # of item 0 with items 1 and 2; the third user has item 2 twice
    expected = [[0, cosine, cosine, 0], [cosine, 0, 0.5, 0], [cosine, 0.5, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(item_similarities(three, 0.0).toarray(), expected)
    damped = 2 / (math.sqrt(6) + 3)
    np.testing.assert_allclose(item_similarities(three, 3.0).toarray()[0], [0, damped, damped, 0])


def test_scores_are_summed_over_the_history_and_mixed(three: Dataset) -> None:
    cosine = 2 / math.sqrt(6)
    scores = np.array([2 * cosine, 0.5, 0.5, 0])  # for the history 1, 2
    popular = np.array([3, 2, 3, 0]) / 8
    expected = 0.9 * scores / scores.sum() + 0.1 * popular
    np.testing.assert_allclose(probabilities(ItemKnn(k=None, shrink=0), three, 1, 2), expected)


@pytest.mark.parametrize("history", [[], [3]], ids=["no history", "an item without training users"])
def test_scores_are_popularity_without_neighbours(three: Dataset, history: list[int]) -> None:
    np.testing.assert_allclose(probabilities(ItemKnn(), three, *history), np.array([3, 2, 3, 0]) / 8)


def test_k_keeps_the_most_similar_and_ties_go_to_the_lower_item(three: Dataset) -> None:
    kept = nearest_neighbours(item_similarities(three, 0.0), 1).toarray()
    assert kept.argmax(axis=1).tolist() == [1, 0, 0, 0]
    assert (kept > 0).sum(axis=1).tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize(("k", "shrink"), [(None, 0.0), (3, 0.0), (20, 30.0)])
def test_probabilities_equal_loops(chain: Callable[..., Dataset], k: int | None, shrink: float) -> None:
    data = chain(users=30, items=24)
    item_users = [
        {user for user in range(30) if item in data.items[data.offsets[user] : data.offsets[user + 1] - 2]}
        for item in range(24)
    ]
    similarity = np.zeros((24, 24))
    for a in range(24):
        for b in range(24):
            if a != b and item_users[a] and item_users[b]:
                root = math.sqrt(len(item_users[a]) * len(item_users[b]))
                similarity[a, b] = len(item_users[a] & item_users[b]) / (root + shrink)
        order = sorted(range(24), key=lambda b: (-round(similarity[a, b], 12), b))
        similarity[a, order[k:] if k else []] = 0
    histories = data.test().histories.items
    model = ItemKnn(k=k, shrink=shrink).load(Task(data, data.space(categories=False)), Path())
    counts = data.train_counts()
    for history, row in zip(histories, np.exp(model.log_probs(histories)), strict=True):
        scores = similarity[history[history >= 0]].sum(axis=0)
        np.testing.assert_allclose(row, 0.9 * scores / scores.sum() + 0.1 * counts / counts.sum())


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [("k", "0", "1 or more, or none"), ("shrink", "-1", "0 or more"), ("mix", "1.5", "from 0 to 1")],
)
def test_options_out_of_range_are_refused(option: str, value: str, allowed: str) -> None:
    with pytest.raises(UsageError, match=f"{option} is .*; it must be {allowed}"):
        build(ItemKnn, "itemknn", {option: value})
    assert build(ItemKnn, "itemknn", {"k": "none"}).k is None
