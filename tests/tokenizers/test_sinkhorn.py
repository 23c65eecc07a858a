"""Assignments with limited capacity against the exact optimum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mindrec_bench.tokenizers.sinkhorn import assign, transport_plan


def costs(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.square(rng.standard_normal((rows, 1, 4)) * 0.5 - rng.standard_normal((columns, 4))).sum(axis=-1)


def one_group(rows: int) -> np.ndarray:
    return np.zeros(rows, dtype=np.int64)


def lowest_cost(cost: np.ndarray, capacity: int) -> float:
    """The cost of the exact assignment, in which every column is repeated as often as its capacity."""
    copies = np.repeat(cost, capacity, axis=1)
    return float(copies[linear_sum_assignment(copies)].sum())


def test_a_plan_respects_rows_and_capacities() -> None:
    plan = transport_plan(costs(20, 8), one_group(20), 3, iterations=500)
    assert plan.sum(axis=1) == pytest.approx(np.ones(20))
    assert plan.sum(axis=0).max() < 3 * 1.05
    assert costs(20, 8).argmin(axis=1).tolist().count(plan.sum(axis=0).argmax()) >= 3  # the preferred column is full


def test_with_enough_capacity_every_row_takes_its_cheapest_column() -> None:
    cost = costs(6, 10, seed=3)
    assert assign(cost, one_group(6), 6).tolist() == cost.argmin(axis=1).tolist()


@pytest.mark.parametrize(("rows", "columns", "capacity"), [(8, 8, 1), (6, 9, 1), (12, 4, 3), (30, 8, 4)])
def test_close_to_the_exact_assignment(rows: int, columns: int, capacity: int) -> None:
    ratios = []
    for seed in range(20):
        cost = costs(rows, columns, seed)
        columns_of_rows = assign(cost, one_group(rows), capacity)
        assert np.bincount(columns_of_rows).max() <= capacity
        ratios.append(cost[np.arange(rows), columns_of_rows].sum() / lowest_cost(cost, capacity))
    assert np.mean(ratios) < 1.08
    assert min(ratios) < 1.01
    assert max(ratios) < 1.3


def test_groups_are_independent() -> None:
    first, second = costs(5, 6, seed=1), costs(7, 6, seed=2)
    together = assign(np.concatenate([first, second]), np.repeat([0, 1], [5, 7]), 2)
    alone = [*assign(first, one_group(5), 2), *assign(second, one_group(7), 2)]
    assert together.tolist() == alone


def test_equal_rows_are_spread_evenly() -> None:
    assert sorted(assign(np.zeros((6, 3)), one_group(6), 2).tolist()) == [0, 0, 1, 1, 2, 2]
