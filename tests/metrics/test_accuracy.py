"""HR@k, NDCG@k, MRR@k and ranks of hits, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.metrics.accuracy import duplicated, hit_ranks, hr_and_ndcg, item_hit_rates, rank_metric
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


def test_hits_of_items_are_expected_values_over_the_orders_of_equal_ids() -> None:
    """Checked against all orders of lists in which each result is replaced by its items."""
    n_items = np.array([3, 1, 2, 1])  # by SID; a number from 4 on is no item
    rng = np.random.default_rng(1)
    results = np.array([rng.permutation(7)[:4] for _ in range(40)])
    results[5, 3], results[6, 1] = -1, results[6, 0]
    targets = rng.integers(0, 4, 40)
    values = item_hit_rates(results, targets, hit_ranks(results, targets), n_items)
    for row, (result, target) in enumerate(zip(results.tolist(), targets.tolist(), strict=True)):
        expected = np.zeros(len(KS))
        for position in range(n_items[target]):  # each place of the target among the items of its ID is as likely
            places: list[tuple[int, int]] = []
            for rank, sid in enumerate(result):
                is_item = 0 <= sid < 4 and sid not in result[:rank]
                places += [(sid, number) for number in range(n_items[sid])] if is_item else [(-1, -1)]
            expected += [(target, position) in places[:k] for k in KS]
        assert [values[f"hr@{k}"][row] for k in KS] == pytest.approx(expected / n_items[target])


def test_duplicates_equal_a_plain_search():
    results = np.random.default_rng(0).integers(-1, 5, (50, 8))
    expected = [[number in row[:rank] for rank, number in enumerate(row)] for row in results.tolist()]
    assert duplicated(results).tolist() == expected
