"""HR@k, NDCG@k, MRR@k and ranks of hits, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.metrics.accuracy import duplicated, hit_ranks, hr_and_ndcg, rank_metric
from mindrec_bench.metrics.names import KS


@pytest.mark.parametrize(("rank", "gain"), [(1, 1.0), (2, 0.6309297535714575), (3, 0.5), (7, 1 / 3)])
def test_gain_of_a_hit_by_rank(rank, gain):
    values = hr_and_ndcg(np.array([rank], dtype=np.int32))
    for k in KS:
        assert values[f"hr@{k}"][0] == (rank <= k)
        assert values[f"ndcg@{k}"][0] == pytest.approx(gain if rank <= k else 0)


def test_any_k():
    ranks = np.array([0, 1, 4, 15, 20], dtype=np.int32)
    assert rank_metric("hr@4", ranks).tolist() == [0, 1, 1, 0, 0]
    assert rank_metric("mrr@15", ranks) == pytest.approx([0, 1, 1 / 4, 1 / 15, 0])
    assert rank_metric("ndcg@15", ranks) == pytest.approx([0, 1, 1 / np.log2(5), 1 / 4, 0])


def test_first_hit_counts_and_padding_never_hits():
    results = np.array([[5, 3, 3], [3, 5, -1], [-1, -1, -1], [4, -1, -1]])
    assert hit_ranks(results, np.array([3, 9, -1, -1])).tolist() == [2, 0, 0, 0]


def test_lists_of_length_0_hit_nothing():
    assert hit_ranks(np.zeros((2, 0), dtype=np.int64), np.array([1, 2])).tolist() == [0, 0]


def test_duplicates_equal_a_plain_search():
    results = np.random.default_rng(0).integers(-1, 5, (50, 8))
    expected = [[number in row[:rank] for rank, number in enumerate(row)] for row in results.tolist()]
    assert duplicated(results).tolist() == expected
