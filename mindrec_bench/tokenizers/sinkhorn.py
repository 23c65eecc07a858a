"""Assign rows to columns of limited capacity by entropic optimal transport (Cuturi, NeurIPS 2013).

Many independent problems are solved at once: rows are sorted by group, and a group's columns have capacities of its
own. Columns may stay empty, so a column's factor never rises above 1 (Chizat et al., Math. Comp. 2018, section 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ..core.code_space import Int

Real = NDArray[np.float64]

EPSILON = 0.2
"""Entropic regularisation, as a share of a group's mean cost above each row's least."""

ITERATIONS = 100
SETTLED = 1e-3
"""A group is left as it is when none of its columns' factors changed by more than this."""

_STEEPEST = 60.0
"""Costs beyond so many regularisations count as this many: no entry of the plan vanishes, so a plan always exists."""


def plan(costs: Real, groups: Int, capacity: int, *, epsilon: float = EPSILON, iterations: int = ITERATIONS) -> Real:
    """Spread each row over the columns, cheap ones first, so that no column of a group takes more than its capacity.

    Args:
        costs: Shape: (R, K)
        groups: group of each row, rising from 0 without gaps; no group has more than K x capacity rows. Shape: (R,)
        capacity: rows a column of a group may take.
        epsilon: see `EPSILON`.
        iterations: how often the two sides are fitted in turn.

    Returns:
        Rows that sum to 1, in whose sums over a group no column exceeds the capacity (in the limit). Shape: (R, K)
    """
    above = costs - costs.min(axis=1, keepdims=True)
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    scale = np.add.reduceat(above.mean(axis=1), starts) / np.diff(starts, append=len(groups))
    scale = np.where(scale > 0, scale, 1.0)[groups, None] * epsilon
    kernel = np.exp(-np.minimum(above / scale, _STEEPEST))
    ends, all_rows = np.append(starts, len(groups)), np.arange(len(groups))
    columns, settled = np.ones((len(starts), costs.shape[1])), np.zeros((len(starts), 1), dtype=bool)
    for _ in range(iterations):
        rows = 1 / np.einsum("rk,rk->r", kernel, columns[groups])
        # A product with a sparse matrix sums over groups many times faster than `np.add.reduceat` does.
        reached = csr_array((rows, all_rows, ends), shape=(len(starts), len(groups))) @ kernel
        fitted = np.where(settled, columns, np.minimum(1.0, capacity / np.maximum(reached, 1e-300)))
        settled |= np.abs(fitted - columns).max(axis=1, keepdims=True) < SETTLED
        columns = fitted
        if settled.all():
            break
    spread = kernel * columns[groups]
    return spread / spread.sum(axis=1, keepdims=True)


def assign(costs: Real, groups: Int, capacity: int, *, epsilon: float = EPSILON) -> Int:
    """One column for each row, no column of a group taken more often than its capacity.

    The plan is rounded by proposals: each row asks for its likeliest column that has room, and a column with more
    askers than room takes the likeliest of them, ties to the earlier row.

    Args:
        costs: Shape: (R, K)
        groups: as `plan`.
        capacity: as `plan`.
        epsilon: see `EPSILON`.

    Returns:
        The column of each row. Shape: (R,)
    """
    shares = plan(costs, groups, capacity, epsilon=epsilon)
    room = np.full((groups[-1] + 1, costs.shape[1]), capacity)
    found = np.full(len(costs), -1, dtype=np.int64)
    while len(asking := np.flatnonzero(found < 0)):
        group = groups[asking]
        open_ = np.where(room[group] > 0, shares[asking], -1.0)
        wanted = open_.argmax(axis=1)
        cell = group * costs.shape[1] + wanted
        order = np.lexsort((-open_[np.arange(len(asking)), wanted], cell))
        cell = cell[order]
        first = np.flatnonzero(np.diff(cell, prepend=-1))
        place = np.arange(len(cell)) - np.repeat(first, np.diff(first, append=len(cell)))
        taken = order[place < room.ravel()[cell]]
        found[asking[taken]] = wanted[taken]
        np.subtract.at(room, (group[taken], wanted[taken]), 1)
    return found
