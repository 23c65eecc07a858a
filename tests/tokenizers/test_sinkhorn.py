"""Assignments of limited capacity against the exact one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mindrec_bench.tokenizers.sinkhorn import assign, plan


def costs(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.square(rng.standard_normal((rows, 1, 4)) * 0.5 - rng.standard_normal((columns, 4))).sum(axis=-1)


def one_group(rows: int) -> np.ndarray:
    return np.zeros(rows, dtype=np.int64)


def least(cost: np.ndarray, capacity: int) -> float:
    """The cost of the exact assignment: every column stands there as often as its capacity."""
    copies = np.repeat(cost, capacity, axis=1)
    return float(copies[linear_sum_assignment(copies)].sum())


def test_a_plan_keeps_both_sides() -> None:
    found = plan(costs(20, 8), one_group(20), 3, iterations=500)
    assert found.sum(axis=1) == pytest.approx(np.ones(20))
    assert found.sum(axis=0).max() < 3 * 1.05
    assert costs(20, 8).argmin(axis=1).tolist().count(found.sum(axis=0).argmax()) >= 3  # the asked-for column is full


def test_without_a_shortage_every_row_takes_its_cheapest() -> None:
    cost = costs(6, 10, seed=3)
    assert assign(cost, one_group(6), 6).tolist() == cost.argmin(axis=1).tolist()


@pytest.mark.parametrize(("rows", "columns", "capacity"), [(8, 8, 1), (6, 9, 1), (12, 4, 3), (30, 8, 4)])
def test_close_to_the_exact_assignment(rows: int, columns: int, capacity: int) -> None:
    ratios = []
    for seed in range(20):
        cost = costs(rows, columns, seed)
        found = assign(cost, one_group(rows), capacity)
        assert np.bincount(found).max() <= capacity
        ratios.append(cost[np.arange(rows), found].sum() / least(cost, capacity))
    assert np.mean(ratios) < 1.08
    assert min(ratios) < 1.01
    assert max(ratios) < 1.3


def test_groups_do_not_meet() -> None:
    first, second = costs(5, 6, seed=1), costs(7, 6, seed=2)
    together = assign(np.concatenate([first, second]), np.repeat([0, 1], [5, 7]), 2)
    alone = [*assign(first, one_group(5), 2), *assign(second, one_group(7), 2)]
    assert together.tolist() == alone


def test_rows_that_nothing_tells_apart_share_out_the_columns() -> None:
    assert sorted(assign(np.zeros((6, 3)), one_group(6), 2).tolist()) == [0, 0, 1, 1, 2, 2]
