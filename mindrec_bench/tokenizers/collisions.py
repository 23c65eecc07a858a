"""Items with the same codes: count them, give each its own codes, or number them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..core.code_space import Int
from .quantised import Float, Quantised, encode, rebuilt
from .sinkhorn import assign

OnCollision = Literal["resolve", "extra-code", "keep"]

_CELLS = 1 << 20
"""Costs handled at once: 8 MiB."""


def prefix_groups(codes: Int, length: int) -> Int:
    """Number items by their first `length` codes. Shape: (N, M) -> (N,)"""
    group = np.zeros(len(codes), dtype=np.int64)
    for column in codes[:, :length].T:
        # Numbered anew after each level, so that the numbers stay small however many levels there are.
        group = np.unique(group * (int(column.max()) + 1) + column, return_inverse=True)[1]
    return group


def sharing(codes: Int) -> int:
    """How many items have codes that another item has too. Shape: (N, M)"""
    counts = np.bincount(prefix_groups(codes, codes.shape[1]))
    return int(counts[counts > 1].sum())


def resolve(quantised: Quantised) -> Int:
    """Give every item codes of its own, moving as few and as little as a Sinkhorn assignment does.

    A prefix of length l + 1 has room for K^(M - l - 1) items. From the first level to the last, where a prefix has more
    items than room, all items of the group above it (the same first l codes) are assigned to that level's codes anew,
    each code up to its room, at the cost of the squared distance; the later codes of those that moved follow greedily.
    Rooms above the last level are large, so that it is mostly there that items move (as in LC-Rec, Zheng et al., ICDE
    2024, which solves it at the last level alone).

    Returns:
        Codes without two equal rows where N <= K^M; else none is shared by more than ceil(N / K^M) items. Shape: (N, M)
    """
    latents, books, codes = quantised.latents, quantised.codebooks, quantised.codes.copy()
    levels, size, _ = books.shape
    least = -(-len(codes) // size**levels)
    for level in range(levels):
        room = least * size ** (levels - level - 1)
        above, own = prefix_groups(codes, level), prefix_groups(codes, level + 1)
        crowded = np.bincount(own)[own] > room
        if not crowded.any():
            continue
        in_group = np.isin(above, above[crowded])
        rows = np.flatnonzero(in_group)[np.argsort(above[in_group], kind="stable")]
        for part in _parts(above[rows], size):
            _move(latents, books, codes, rows[part], above[rows[part]], level, room)
    return codes


def _parts(groups: Int, size: int) -> list[slice]:
    """Slices of whole groups, of a limited number of costs each (a single group may have more)."""
    ends = np.append(np.flatnonzero(np.diff(groups)) + 1, len(groups))
    parts, start, last = [], 0, 0
    for end in ends.tolist():
        if end - start > _CELLS // size and last > start:
            parts.append(slice(start, last))
            start = last
        last = end
    return [*parts, slice(start, last)]


def _move(latents: Float, books: Float, codes: Int, rows: Int, above: Int, level: int, room: int) -> None:
    """Assign these rows' codes of one level anew, and let the later ones follow; `codes` is changed."""
    left = (latents[rows] - rebuilt(books, codes[rows, :level])).astype(np.float64)
    book = books[level].astype(np.float64)
    costs = (left**2).sum(axis=1)[:, None] + (book**2).sum(axis=1) - 2 * left @ book.T
    groups = np.unique(above, return_inverse=True)[1]
    found = assign(costs, groups, room)
    moved = found != codes[rows, level]
    given = np.concatenate([codes[rows[moved], :level], found[moved, None]], axis=1)
    codes[rows[moved]] = encode(latents[rows[moved]], books, given)


def numbered(codes: Int) -> Int:
    """Add a level that numbers the items with equal codes from 0 (TIGER, section 3.1). Shape: (N, M) -> (N, M + 1)"""
    group = prefix_groups(codes, codes.shape[1])
    order = np.argsort(group, kind="stable")
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    number = np.empty(len(codes), dtype=np.int64)
    number[order] = np.arange(len(codes)) - np.repeat(first, np.diff(first, append=len(codes)))
    return np.concatenate([codes, number[:, None]], axis=1)


def settle(quantised: Quantised, how: OnCollision) -> Int:
    """The final codes of every item. Shape: (N, M), with `extra-code` (N, M + 1)"""
    if how == "resolve":
        return resolve(quantised)
    return numbered(quantised.codes) if how == "extra-code" else quantised.codes
