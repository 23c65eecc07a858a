"""Resampling over users: random swaps for randomisation tests, bootstrap means and intervals."""

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


CHUNK = 256
"""Resamples made at a time: 5,000 users x 256 signs stay near the cache."""


DRAWN_USERS = 1 << 14
"""Users drawn at a time; any number gives the same draws."""


MEMORY = 1 << 32
"""Bytes that all threads may take together, unless one alone takes more: up to 12 for each user and resample."""


def over_chunks(work: Callable[[int, int], T], resamples: int, n_users: int) -> list[T]:
    """Split resamples into chunks and work on them in threads; how many threads there are changes no answer.

    Args:
        work: gets a chunk's number and its resamples.
        resamples: how many in all.
        n_users: over how many users; with many, fewer threads share the memory.

    Returns:
        The answers in the order of the chunks.
    """
    starts = range(0, resamples, CHUNK)
    threads = min(len(starts), os.cpu_count() or 1, max(1, MEMORY // (12 * CHUNK * max(n_users, 1))))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda start: work(start // CHUNK, min(CHUNK, resamples - start)), starts))


def random_swaps(n_users: int, resamples: int, seed: int, chunk: int) -> NDArray[np.uint8]:
    """Which users are swapped in each resample of a chunk. Shape: (U, resamples), values 0 and 1

    The bits depend on the users and the seed alone, so a comparison's p does not depend on the other comparisons that
    share them.
    """
    packed = np.random.default_rng((seed, chunk)).integers(0, 256, size=(n_users, -(-resamples // 8)), dtype=np.uint8)
    return np.unpackbits(packed, axis=1, count=resamples)


def count_extreme(resampled: Float, observed: Float) -> NDArray[np.int64]:
    """How many resampled statistics are at least as far from 0 as the observed one, per row.

    Sums of the same terms in another order differ in the last bits; the tolerance makes them the ties they are.

    Args:
        resampled: Shape: (C, R)
        observed: Shape: (C,)
    """
    tolerance = 1e-9 * (1.0 + np.abs(observed))
    return (np.abs(resampled) >= (np.abs(observed) - tolerance)[:, None]).sum(axis=1)


def bootstrap_weights(n_users: int, resamples: int, seed: int, chunk: int) -> NDArray[np.uint16]:
    """How often each user is drawn in each bootstrap resample of a chunk. Shape: (U, resamples)"""
    rng = np.random.default_rng((seed, chunk))
    weights, column = np.zeros(n_users * resamples, dtype=np.uint16), np.arange(resamples)
    for start in range(0, n_users, DRAWN_USERS):  # the draws in one go would be the largest array by far
        drawn = rng.integers(0, n_users, size=(min(DRAWN_USERS, n_users - start), resamples))
        drawn *= resamples
        drawn += column
        np.add.at(weights, drawn.ravel(), np.uint16(1))
    return weights.reshape(n_users, resamples)


def bootstrap_means(values: Float, *, resamples: int = RESAMPLES, seed: int = 0) -> Float:
    """Means of each column over users drawn with replacement. Shape: (U, C) -> (C, resamples)"""
    active = values.any(axis=1)
    columns = np.ascontiguousarray(values[active].T)

    def sums(chunk: int, size: int) -> Float:
        weights = bootstrap_weights(len(values), size, seed, chunk)[active]
        return columns @ weights.astype(np.float64)

    return np.concatenate(over_chunks(sums, resamples, len(values)), axis=1) / len(values)


def interval(samples: Float, level: float = 0.95) -> tuple[Float, Float]:
    """Percentile interval of bootstrap samples. Shape: (C, R) -> two of (C,)"""
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(samples, [tail, 1.0 - tail], axis=1)
    return low, high
