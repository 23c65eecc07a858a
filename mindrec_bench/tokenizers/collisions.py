"""Collisions, items with equal codes: count them, give every item unique codes, or number the items that collide."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..core.code_space import Int
from .quantizer import FloatArray, QuantizedItems, encode, reconstruct
from .sinkhorn import assign

OnCollision = Literal["resolve", "extra-code", "keep"]

MAX_COSTS = 1 << 20
"""Number of costs computed at once: 8 MiB."""


def handle_collisions(items: QuantizedItems, on_collision: OnCollision) -> Int:
    """The final codes of every item. Shape: (N, M), with `extra-code` (N, M + 1)"""
    if on_collision == "resolve":
        return resolve_collisions(items)
    return append_extra_code(items.codes) if on_collision == "extra-code" else items.codes


def prefix_groups(codes: Int, length: int) -> Int:
    """Number the groups of items that share their first `length` codes. Shape: (N, M) -> (N,)"""
    groups = np.zeros(len(codes), dtype=np.int64)
    for column in codes[:, :length].T:
        # Renumbered after each level, so that the numbers stay small however many levels there are.
        groups = np.unique(groups * (int(column.max()) + 1) + column, return_inverse=True)[1]
    return groups


def count_colliding(codes: Int) -> int:
    """The number of items whose codes another item has too. Shape: (N, M)"""
    counts = np.bincount(prefix_groups(codes, codes.shape[1]))
    return int(counts[counts > 1].sum())


def append_extra_code(codes: Int) -> Int:
    """Add a level that numbers the items with equal codes from 0 (TIGER, section 3.1). Shape: (N, M) -> (N, M + 1)"""
    groups = prefix_groups(codes, codes.shape[1])
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    numbers = np.empty(len(codes), dtype=np.int64)
    numbers[order] = np.arange(len(codes)) - np.repeat(starts, np.diff(starts, append=len(codes)))
    return np.concatenate([codes, numbers[:, None]], axis=1)


def resolve_collisions(items: QuantizedItems) -> Int:
    """Give every item unique codes, changing as few codes, and moving items as little, as a Sinkhorn assignment does.

    There are K^(M - l) code sequences for each prefix of l codes, which is the capacity of the prefix. Level by level,
    wherever a prefix has more items than its capacity, all items that share its codes of the levels before are assigned
    to the codes of this level anew: each code takes items up to its capacity, at the cost of their squared distance. An
    item that moves gets its later codes greedily. Capacities are large above the last level, so mostly the last codes
    change (LC-Rec, Zheng et al., ICDE 2024, solves the assignment at the last level only).

    Returns:
        Codes without two equal rows if N <= K^M; otherwise at most ceil(N / K^M) items share any codes. Shape: (N, M)
    """
    latents, codebooks, codes = items.latents, items.codebooks, items.codes.copy()
    n_levels, size, _ = codebooks.shape
    items_per_sid = -(-len(codes) // size**n_levels)
    for level in range(n_levels):
        capacity = items_per_sid * size ** (n_levels - level - 1)
        parents, groups = prefix_groups(codes, level), prefix_groups(codes, level + 1)
        overfull = np.bincount(groups)[groups] > capacity
        if not overfull.any():
            continue
        affected = np.isin(parents, parents[overfull])
        rows = np.flatnonzero(affected)[np.argsort(parents[affected], kind="stable")]
        for chunk in _chunks(parents[rows], size):
            _reassign(latents, codebooks, codes, rows[chunk], parents[rows[chunk]], level, capacity)
    return codes


def _chunks(groups: Int, size: int) -> list[slice]:
    """Slices of whole groups with at most `MAX_COSTS` costs each, except that a single group may have more."""
    ends = np.append(np.flatnonzero(np.diff(groups)) + 1, len(groups))
    chunks, start, last = [], 0, 0
    for end in ends.tolist():
        if end - start > MAX_COSTS // size and last > start:
            chunks.append(slice(start, last))
            start = last
        last = end
    return [*chunks, slice(start, last)]


def _reassign(
    latents: FloatArray, codebooks: FloatArray, codes: Int, rows: Int, parents: Int, level: int, capacity: int
) -> None:
    """Assign the codes of one level of these rows anew, and encode the later levels; changes `codes` in place."""
    residuals = (latents[rows] - reconstruct(codebooks, codes[rows, :level])).astype(np.float64)
    codebook = codebooks[level].astype(np.float64)
    costs = (residuals**2).sum(axis=1)[:, None] + (codebook**2).sum(axis=1) - 2 * residuals @ codebook.T
    groups = np.unique(parents, return_inverse=True)[1]
    assigned = assign(costs, groups, capacity)
    moved = assigned != codes[rows, level]
    prefix = np.concatenate([codes[rows[moved], :level], assigned[moved, None]], axis=1)
    codes[rows[moved]] = encode(latents[rows[moved]], codebooks, prefix)
