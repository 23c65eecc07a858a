"""Resampling over users: random swaps for randomisation tests, bootstrap means and intervals (docs/semantics.md,
Significance)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


T = TypeVar("T")

RESAMPLES = 10_000
"""The default number of resamples."""

CHUNK_SIZE = 256
"""Resamples computed at a time: 5,000 users x 256 signs stay near the cache."""

USERS_PER_DRAW = 1 << 14
"""Users drawn at a time by the bootstrap; any number gives the same draws."""

MEMORY_LIMIT = 1 << 32
"""Bytes that all threads may take together, unless a single one takes more: up to 12 for each user and resample."""


def map_chunks(compute: Callable[[int, int], T], resamples: int, n_users: int) -> list[T]:
    """Split resamples into chunks and compute them in threads; the number of threads changes no result.

    Args:
        compute: takes the number of a chunk and how many resamples it has.
        resamples: how many in total.
        n_users: how many users are resampled; with many, fewer threads share the memory.

    Returns:
        The results in the order of the chunks.
    """
    starts = range(0, resamples, CHUNK_SIZE)
    threads_in_memory = max(1, MEMORY_LIMIT // (12 * CHUNK_SIZE * max(n_users, 1)))
    with ThreadPoolExecutor(min(len(starts), os.cpu_count() or 1, threads_in_memory)) as pool:
        return list(pool.map(lambda start: compute(start // CHUNK_SIZE, min(CHUNK_SIZE, resamples - start)), starts))


def random_swaps(n_users: int, resamples: int, seed: int, chunk: int) -> NDArray[np.uint8]:
    """Which users are swapped in each resample of a chunk. Shape: (U, resamples), values 0 and 1

    The bits depend only on the users and the seed, so the p of a comparison does not depend on the other comparisons
    that share them.
    """
    packed = np.random.default_rng((seed, chunk)).integers(0, 256, size=(n_users, -(-resamples // 8)), dtype=np.uint8)
    return np.unpackbits(packed, axis=1, count=resamples)


def count_extreme(resampled: Float, observed: Float) -> NDArray[np.int64]:
    """How many resampled statistics are at least as far from 0 as the observed one, per row.

    Sums of the same terms in another order differ in the last bits; the tolerance counts them as ties.

    Args:
        resampled: Shape: (C, R)
        observed: Shape: (C,)
    """
    tolerance = 1e-9 * (1.0 + np.abs(observed))
    return (np.abs(resampled) >= (np.abs(observed) - tolerance)[:, None]).sum(axis=1)


def bootstrap_weights(n_users: int, resamples: int, seed: int, chunk: int) -> NDArray[np.uint16]:
    """How often each user is drawn in each bootstrap resample of a chunk. Shape: (U, resamples)"""
    rng = np.random.default_rng((seed, chunk))
    weights, columns = np.zeros(n_users * resamples, dtype=np.uint16), np.arange(resamples)
    for start in range(0, n_users, USERS_PER_DRAW):  # all draws at once would be the largest array by far
        drawn = rng.integers(0, n_users, size=(min(USERS_PER_DRAW, n_users - start), resamples))
        drawn *= resamples
        drawn += columns
        np.add.at(weights, drawn.ravel(), np.uint16(1))
    return weights.reshape(n_users, resamples)


def bootstrap_means(values: Float, *, resamples: int = RESAMPLES, seed: int = 0) -> Float:
    """Means of each column over users drawn with replacement. Shape: (U, C) -> (C, resamples)"""
    active = values.any(axis=1)
    columns = np.ascontiguousarray(values[active].T)

    def sums(chunk: int, size: int) -> Float:
        weights = bootstrap_weights(len(values), size, seed, chunk)[active]
        return columns @ weights.astype(np.float64)

    return np.concatenate(map_chunks(sums, resamples, len(values)), axis=1) / len(values)


def percentile_interval(samples: Float, level: float = 0.95) -> tuple[Float, Float]:
    """Percentile interval of bootstrap samples. Shape: (C, R) -> two of (C,)"""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(samples, [tail, 1.0 - tail], axis=1)
    return low, high
