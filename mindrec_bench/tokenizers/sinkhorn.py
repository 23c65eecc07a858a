"""Assign rows to columns of limited capacity by entropic optimal transport (Cuturi, NeurIPS 2013).

Many independent problems are solved at once: rows are sorted by group, and every group has its own copy of the columns.
Columns may stay empty, so the scaling factor of a column never exceeds 1 (Chizat et al., Math. Comp. 2018, section 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..core.code_space import Int

DoubleArray = NDArray[np.float64]

EPSILON = 0.2
"""Entropic regularization, relative to the mean over a group of the costs above each row's lowest."""

ITERATIONS = 100
TOLERANCE = 1e-3
"""A group has converged when none of its column factors changed by more than this."""

_MAX_EXPONENT = 60.0
"""Scaled costs are capped at this value: no entry of the kernel vanishes, so a plan always exists."""


def transport_plan(
    costs: DoubleArray, groups: Int, capacity: int, *, epsilon: float = EPSILON, iterations: int = ITERATIONS
) -> DoubleArray:
    """Spread each row over the columns, cheap ones first, with no column of a group above its capacity.

    Args:
        costs: Shape: (R, K)
        groups: group of each row, ascending from 0 without gaps; no group has more than K x capacity rows. Shape: (R,)
        capacity: number of rows that each column of a group can take.
        epsilon: see `EPSILON`.
        iterations: maximum number of Sinkhorn iterations.

    Returns:
        Rows that sum to 1; their sum over a group exceeds the capacity in no column (in the limit). Shape: (R, K)
    """
    excess = costs - costs.min(axis=1, keepdims=True)
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    scale = np.add.reduceat(excess.mean(axis=1), starts) / np.diff(starts, append=len(groups))
    scale = np.where(scale > 0, scale, 1.0)[groups, None] * epsilon
    kernel = np.exp(-np.minimum(excess / scale, _MAX_EXPONENT))
    ends, all_rows = np.append(starts, len(groups)), np.arange(len(groups))
    factors, converged = np.ones((len(starts), costs.shape[1])), np.zeros((len(starts), 1), dtype=bool)
    for _ in range(iterations):
        row_factors = 1 / np.einsum("rk,rk->r", kernel, factors[groups])
        # A product with a sparse matrix sums over groups many times faster than `np.add.reduceat` does.
        loads = csr_array((row_factors, all_rows, ends), shape=(len(starts), len(groups))) @ kernel
        updated = np.where(converged, factors, np.minimum(1.0, capacity / np.maximum(loads, 1e-300)))
        converged |= np.abs(updated - factors).max(axis=1, keepdims=True) < TOLERANCE
        factors = updated
        if converged.all():
            break
    plan = kernel * factors[groups]
    return plan / plan.sum(axis=1, keepdims=True)


def assign(costs: DoubleArray, groups: Int, capacity: int, *, epsilon: float = EPSILON) -> Int:
    """Choose one column for each row, no column of a group more often than its capacity.

    The transport plan is rounded in turns: each unassigned row proposes to its most likely column that is not full, and
    a column with more proposals than free capacity takes the most likely ones, ties to the earlier row.

    Args:
        costs: Shape: (R, K)
        groups: as for `transport_plan`.
        capacity: as for `transport_plan`.
        epsilon: see `EPSILON`.

    Returns:
        The column of each row. Shape: (R,)
    """
    plan = transport_plan(costs, groups, capacity, epsilon=epsilon)
    free = np.full((groups[-1] + 1, costs.shape[1]), capacity)
    columns = np.full(len(costs), -1, dtype=np.int64)
    while len(unassigned := np.flatnonzero(columns < 0)):
        group = groups[unassigned]
        shares = np.where(free[group] > 0, plan[unassigned], -1.0)
        proposed = shares.argmax(axis=1)
        target = group * costs.shape[1] + proposed
        order = np.lexsort((-shares[np.arange(len(unassigned)), proposed], target))
        target = target[order]
        starts = np.flatnonzero(np.diff(target, prepend=-1))
        rank = np.arange(len(target)) - np.repeat(starts, np.diff(starts, append=len(target)))
        accepted = order[rank < free.ravel()[target]]
        columns[unassigned[accepted]] = proposed[accepted]
        np.subtract.at(free, (group[accepted], proposed[accepted]), 1)
    return columns
