"""A simulated catalogue: category tree, latent item vectors, popularity and semantic IDs (SIDs).

It is modelled on Arts: 3 category levels with up to 12 / 16 / 15 codes, a popularity that gives the top 10% of the
items about a third of the interactions, and SIDs of 4 levels, quantised from the vectors, so that they tell most of an
item's category and something more about the item.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from ...core.code_space import Int

Float = NDArray[np.float64]

CATEGORY_CODES = (12, 16, 15)
"""Category codes per level; few of the possible paths occur."""

CONCENTRATIONS = (5.0, 0.3, 0.1)
"""Dirichlet concentration of the items over the children of a node, per level; a low one favours few children."""

STANDARD_DEVIATIONS = (1.0, 0.8, 0.6, 0.4)
"""What each category level, and finally the item itself, adds to the latent vectors."""

LATENT_DIMENSIONS = 16
SID_LEVELS = 4


@dataclass(frozen=True, eq=False)
class SimulatedCatalogue:
    """A catalogue of N items.

    Attributes:
        categories: category codes. Shape: (N, 3), int64
        vectors: latent item vectors of length 1; similar items have similar ones. Shape: (N, 16), float64
        popularity: probabilities. Shape: (N,), float64
        sids: SID codes, distinct for all items. Shape: (N, 4), int64
    """

    categories: Int
    vectors: Float
    popularity: Float
    sids: Int

    @classmethod
    def generate(cls, n_items: int, rng: np.random.Generator) -> SimulatedCatalogue:
        """Draw a catalogue; the same generator state gives the same catalogue."""
        categories = _draw_categories(n_items, rng)
        vectors = _draw_vectors(categories, rng)
        # Zipf-Mandelbrot. The offset flattens the head as in Arts, and a little more: else the ten most popular of a
        # few hundred items would be a good recommendation for everyone.
        popularity = 1 / (np.arange(n_items) + 1 + 0.1 * n_items)
        popularity = rng.permutation(popularity / popularity.sum())
        sids = resolve_collisions(residual_quantise(vectors, min(256, max(8, n_items // 40)), SID_LEVELS, rng))
        return cls(categories, vectors, popularity, sids)


def prefix_ids(codes: Int) -> Int:
    """Number the distinct prefixes of each length: equal numbers in a column for equal prefixes. Shape: (N, L)"""
    columns = [np.unique(codes[:, : level + 1], axis=0, return_inverse=True)[1] for level in range(codes.shape[1])]
    return np.stack(columns, axis=1).astype(np.int64)


def residual_quantise(vectors: Float, n_codes: int, levels: int, rng: np.random.Generator) -> Int:
    """Residual quantisation: the k-means of each level quantises what the earlier levels leave over.

    Args:
        vectors: Shape: (N, D)
        n_codes: codes per level, at most N.
        levels: M.
        rng: draws the initial centroids.

    Returns:
        Codes from 0 to n_codes - 1. Shape: (N, M), int64
    """
    residuals, columns = vectors, []
    for _ in range(levels):
        codes, centroids = _k_means(residuals, n_codes, rng)
        columns.append(codes)
        residuals = residuals - centroids[codes]
    return np.stack(columns, axis=1)


def _draw_categories(n_items: int, rng: np.random.Generator) -> Int:
    nodes = np.zeros(n_items, dtype=np.int64)
    n_nodes, columns = 1, []
    for n_children, concentration in zip(CATEGORY_CODES, CONCENTRATIONS, strict=True):
        cumulative = rng.dirichlet(np.full(n_children, concentration), size=n_nodes).cumsum(axis=1)
        codes = (rng.random(n_items)[:, None] > cumulative[nodes]).sum(axis=1).clip(max=n_children - 1)
        columns.append(codes)
        nodes, n_nodes = nodes * n_children + codes, n_nodes * n_children
    return np.stack(columns, axis=1).astype(np.int64)


def _draw_vectors(categories: Int, rng: np.random.Generator) -> Float:
    vectors = STANDARD_DEVIATIONS[-1] * rng.standard_normal((len(categories), LATENT_DIMENSIONS))
    for nodes, deviation in zip(prefix_ids(categories).T, STANDARD_DEVIATIONS, strict=False):
        vectors += deviation * rng.standard_normal((nodes.max() + 1, LATENT_DIMENSIONS))[nodes]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _k_means(vectors: Float, k: int, rng: np.random.Generator, iterations: int = 20) -> tuple[Int, Float]:
    """Lloyd's algorithm from k random vectors. Shapes: codes (N,), centroids (k, D)"""
    centroids = vectors[rng.choice(len(vectors), size=k, replace=False)]
    for _ in range(iterations):
        codes = ((centroids**2).sum(axis=1) - 2 * vectors @ centroids.T).argmin(axis=1)
        counts = np.bincount(codes, minlength=k)
        sums = np.stack([np.bincount(codes, weights=column, minlength=k) for column in vectors.T], axis=1)
        centroids = np.where(counts[:, None] > 0, sums / counts.clip(min=1)[:, None], centroids)
    return codes, centroids


def resolve_collisions(sids: Int) -> Int:
    """Give each item whose SID an earlier item has the lowest last code that is free after its other codes."""
    unique, taken = sids.copy(), set()
    for row in unique:
        *prefix, last = row.tolist()
        if (*prefix, last) in taken:
            last = next(code for code in count() if (*prefix, code) not in taken)
        taken.add((*prefix, last))
        row[-1] = last
    return unique
