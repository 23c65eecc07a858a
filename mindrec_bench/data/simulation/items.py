"""The catalogue of a simulation: a category tree, latent item vectors, popularity, and semantic IDs (SIDs).

The shape follows Arts: 3 category levels with up to 12 / 16 / 15 codes, a popularity that gives the top 10% of the
items about a third of the interactions, and SIDs of 4 levels, quantised from the vectors, so that they say much about
the category and something more about the item.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from ...core.code_space import Int

Float = NDArray[np.float64]

CHILDREN = (12, 16, 15)
"""Category codes a level; few of all possible paths occur."""

SPARSITY = (5.0, 0.3, 0.1)
"""Dirichlet concentration of the items over the children of a node, a level: the lower, the more go to few children."""

SPREAD = (1.0, 0.8, 0.6, 0.4)
"""Standard deviation that each category level, and last the item itself, adds to a latent vector."""

DIMENSIONS = 16
"""Length of a latent vector."""

LEVELS = 4
"""Levels of a SID."""


@dataclass(frozen=True, eq=False)
class SimulatedItems:
    """A catalogue of N items.

    Attributes:
        categories: category codes. Shape: (N, 3), int64
        vectors: latent item vectors; near ones are alike. Shape: (N, 16), float64
        popularity: probabilities. Shape: (N,), float64
        sids: SID codes, different for every item. Shape: (N, 4), int64
    """

    categories: Int
    vectors: Float
    popularity: Float
    sids: Int

    @classmethod
    def make(cls, n_items: int, rng: np.random.Generator) -> SimulatedItems:
        """Draw a catalogue; the same generator state gives the same catalogue."""
        categories = _draw_categories(n_items, rng)
        vectors = _draw_vectors(categories, rng)
        # Zipf-Mandelbrot. The offset flattens the head, as it is in Arts; a little more, since the ten most popular of
        # a few hundred items would else be an answer that suits everyone.
        popularity = 1 / (np.arange(n_items) + 1 + 0.1 * n_items)
        popularity = rng.permutation(popularity / popularity.sum())
        sids = _make_unique(residual_codes(vectors, min(256, max(8, n_items // 40)), LEVELS, rng))
        return cls(categories, vectors, popularity, sids)


def prefixes(codes: Int) -> Int:
    """Number the distinct prefixes of each length. Shape: (N, L) -> (N, L); equal numbers mean equal prefixes."""
    columns = [np.unique(codes[:, : level + 1], axis=0, return_inverse=True)[1] for level in range(codes.shape[1])]
    return np.stack(columns, axis=1).astype(np.int64)


def residual_codes(vectors: Float, n_codes: int, levels: int, rng: np.random.Generator) -> Int:
    """Quantise vectors level by level: each level's k-means codes what the levels before it left over.

    Args:
        vectors: Shape: (N, D)
        n_codes: codes a level, at most N.
        levels: M.
        rng: draws the first centres.

    Returns:
        Codes from 0 to n_codes - 1. Shape: (N, M), int64
    """
    left, columns = vectors, []
    for _ in range(levels):
        codes, centres = _k_means(left, n_codes, rng)
        columns.append(codes)
        left = left - centres[codes]
    return np.stack(columns, axis=1)


def _draw_categories(n_items: int, rng: np.random.Generator) -> Int:
    node = np.zeros(n_items, dtype=np.int64)
    n_nodes, columns = 1, []
    for children, sparsity in zip(CHILDREN, SPARSITY, strict=True):
        shares = rng.dirichlet(np.full(children, sparsity), size=n_nodes).cumsum(axis=1)
        code = (rng.random(n_items)[:, None] > shares[node]).sum(axis=1).clip(max=children - 1)
        columns.append(code)
        node, n_nodes = node * children + code, n_nodes * children
    return np.stack(columns, axis=1).astype(np.int64)


def _draw_vectors(categories: Int, rng: np.random.Generator) -> Float:
    vectors = SPREAD[-1] * rng.standard_normal((len(categories), DIMENSIONS))
    for prefix, spread in zip(prefixes(categories).T, SPREAD, strict=False):
        vectors += spread * rng.standard_normal((prefix.max() + 1, DIMENSIONS))[prefix]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _k_means(vectors: Float, k: int, rng: np.random.Generator, rounds: int = 20) -> tuple[Int, Float]:
    """Lloyd's algorithm from k random vectors. Shapes: (N,) codes and (k, D) centres"""
    centres = vectors[rng.choice(len(vectors), size=k, replace=False)]
    for _ in range(rounds):
        codes = ((centres**2).sum(axis=1) - 2 * vectors @ centres.T).argmin(axis=1)
        counts = np.bincount(codes, minlength=k)
        sums = np.stack([np.bincount(codes, weights=column, minlength=k) for column in vectors.T], axis=1)
        centres = np.where(counts[:, None] > 0, sums / counts.clip(min=1)[:, None], centres)
    return codes, centres


def _make_unique(sids: Int) -> Int:
    """Give each item whose SID an earlier item has the lowest last code that is free under its first codes."""
    unique, taken = sids.copy(), set()
    for row in unique:
        *head, last = row.tolist()
        if (*head, last) in taken:
            last = next(code for code in count() if (*head, code) not in taken)
        taken.add((*head, last))
        row[-1] = last
    return unique
