"""`last-items` against loops over a small dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindrec_baselines.last_items import LastItems, cooccurrence_directions
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins.options import build


def cosines(data: Dataset) -> np.ndarray:
    users = [set(data.items[data.offsets[u] : data.offsets[u + 1] - 2].tolist()) for u in range(data.n_users)]
    counts = np.array(
        [[sum({a, b} <= user for user in users) if a != b else 0 for b in range(24)] for a in range(24)], dtype=float
    )
    lengths = np.sqrt((counts**2).sum(axis=1))
    return counts @ counts.T / np.where(lengths > 0, lengths, 1)[:, None] / np.where(lengths > 0, lengths, 1)


def by_hand(data: Dataset, history: list[int], last: int, steps: int) -> np.ndarray:
    """Scores: rings by breadth-first search, the rest by popularity."""
    follows = {a: set() for a in range(24)}
    for user in range(data.n_users):
        sequence = data.items[data.offsets[user] : data.offsets[user + 1] - 2].tolist()
        for a, b in zip(sequence, sequence[1:]):  # noqa: B905, RUF007
            follows[a].add(b)
    latest = history[-last:]
    similarity = np.minimum(cosines(data)[latest].mean(axis=0) if latest else np.zeros(24), 1 - 1e-9)
    scores = data.train_counts() / data.train_counts().sum() / 2**steps
    seen, ring = set(latest), set(latest)
    for step in range(1, steps + 1):
        ring = set().union(*(follows[item] for item in ring)) - seen
        seen |= ring
        for item in ring:
            scores[item] = (1 + similarity[item]) / 2**step
    return scores / scores.sum()


@pytest.mark.parametrize(("last", "steps"), [(1, 1), (1, 3), (2, 2)])
def test_equals_a_search_by_hand(chain, last: int, steps: int) -> None:
    data = chain(users=12)
    np.random.default_rng(0).shuffle(data.items)  # a graph with branches
    model = LastItems(last, steps).load(Task(data, data.space(categories=False)), Path())
    histories = [[], [3], [1, 5, 2], [7, 7]]
    rows = np.array([[-1] * (4 - len(history)) + history for history in histories])
    expected = np.array([by_hand(data, history, last, steps) for history in histories])
    np.testing.assert_allclose(np.exp(model.log_probs(rows)), expected, atol=1e-12)


def test_directions_are_unit_vectors_of_counts(chain) -> None:
    data = chain(users=12)
    directions = cooccurrence_directions(data)
    np.testing.assert_allclose((directions @ directions.T).toarray(), cosines(data), atol=1e-12)


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="steps is 0; it must be 1 or more"):
        build(LastItems, "last-items", {"steps": "0"})
