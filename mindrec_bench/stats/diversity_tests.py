"""Tests and intervals for Entropy and TTR, which are metrics of all lists together (docs/semantics.md, Significance).

The paired randomisation test swaps a user's whole lists between the two systems. A swap moves that user's code counts
from one total to the other, so all resamples together are one product: (codes x users) counts with (users x resamples)
bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .resampling import (
    RESAMPLES,
    Float,
    bootstrap_weights,
    count_extreme,
    map_chunks,
    percentile_interval,
    random_swaps,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

DIVERSITY_METRICS = ("entropy", "ttr")
"""The metrics, in the order of the first axis of what `diversity` returns."""


@dataclass(frozen=True, eq=False)
class SwapTest:
    """Results of C comparisons with the reference, rows in the order of `DIVERSITY_METRICS`.

    Attributes:
        p: two-sided. Shape: (2, C)
        null_sd: standard deviation of the difference under random swaps. Shape: (2, C)
    """

    p: Float
    null_sd: Float


def code_counts(users: NDArray, codes: NDArray, n_users: int, n_codes: int) -> csr_array:
    """Count each user's codes; repeated (user, code) pairs add up.

    Args:
        users: user index of each code token. Shape: (tokens,)
        codes: code of each token, the slots laid end to end; negative ones (padding) are left out. Shape: (tokens,)
        n_users: U.
        n_codes: V, the size of the vocabulary.

    Returns:
        Shape: (U, V), float32 (exact below 2^24 tokens)
    """
    from scipy.sparse import coo_array

    filled = codes >= 0
    ones = np.ones(int(filled.sum()), dtype=np.float32)
    return coo_array((ones, (users[filled], codes[filled])), shape=(n_users, n_codes)).tocsr()


class _XLogX:
    """c log2 c of integer counts, from a table."""

    def __init__(self, largest: float) -> None:
        counts = np.arange(int(largest) + 1, dtype=np.float64)
        self._table = counts * np.log2(np.maximum(counts, 1.0))

    def __call__(self, counts: NDArray) -> Float:
        return self._table[counts.astype(np.int32)]


def _entropy_and_ttr(counts: NDArray, x_log_x: _XLogX | None = None) -> Float:
    """Entropy in bits and TTR of total code counts. Shape: (V, R) -> (2, R), rows as in `DIVERSITY_METRICS`"""
    x_log_x = x_log_x or _XLogX(counts.max(initial=0))
    tokens = np.maximum(counts.sum(axis=0, dtype=np.float64), 1.0)
    entropy = np.log2(tokens) - x_log_x(counts).sum(axis=0) / tokens
    return np.stack([entropy, np.count_nonzero(counts, axis=0) / tokens])


def diversity(counts: csr_array) -> Float:
    """Entropy in bits and TTR over all users' lists. Shape: (U, V) -> (2,)"""
    return _entropy_and_ttr(np.asarray(counts.sum(axis=0)).reshape(-1, 1))[:, 0]


def swap_test(
    reference: csr_array, others: Sequence[csr_array], *, resamples: int = RESAMPLES, seed: int = 0
) -> SwapTest:
    """Paired randomisation test of Entropy and TTR: swap each user's lists with the reference's at random.

    Args:
        reference: code counts of the reference's lists. Shape: (U, V)
        others: code counts of the C compared systems, over the same users and codes. Shape of each: (U, V)
        resamples: random swaps; all comparisons share them.
        seed: for the swaps.
    """
    by_code = [_by_code(counts) for counts in (reference, *others)]
    totals = [matrix.sum(axis=1, dtype=np.float64)[:, None].astype(np.float32) for matrix in by_code]
    x_log_x = _XLogX(max((totals[0] + total).max(initial=0) for total in totals))
    observed = np.stack([_entropy_and_ttr(total, x_log_x)[:, 0] for total in totals[1:]], axis=1)
    observed -= _entropy_and_ttr(totals[0], x_log_x)

    def swap(chunk: int, size: int) -> Float:
        swapped = random_swaps(reference.shape[0], size, seed, chunk).astype(np.float32)
        moved = [matrix @ swapped for matrix in by_code]
        sums = np.empty((2, *observed.shape))
        for c in range(len(others)):
            gain = moved[c + 1] - moved[0]
            difference = _entropy_and_ttr(totals[c + 1] - gain, x_log_x) - _entropy_and_ttr(totals[0] + gain, x_log_x)
            sums[0, :, c] = count_extreme(difference, observed[:, c])
            sums[1, :, c] = (difference**2).sum(axis=1)
        return sums

    extreme, squares = np.sum(map_chunks(swap, resamples, reference.shape[0]), axis=0)
    return SwapTest(p=(1 + extreme) / (1 + resamples), null_sd=np.sqrt(squares / resamples))


def bootstrap_entropy(systems: Sequence[csr_array], *, resamples: int = RESAMPLES, seed: int = 0) -> Float:
    """Entropy of each system over users drawn with replacement, the same draws for all. Shape: (systems, resamples)"""
    by_code = [_by_code(counts) for counts in systems]

    def entropies(chunk: int, size: int) -> Float:
        drawn = bootstrap_weights(systems[0].shape[0], size, seed, chunk).astype(np.float32)
        return np.stack([_entropy_and_ttr(matrix @ drawn)[0] for matrix in by_code])

    return np.concatenate(map_chunks(entropies, resamples, systems[0].shape[0]), axis=1)


def centred_interval(samples: Float, observed: Float, level: float = 0.95) -> tuple[Float, Float]:
    """Bootstrap percentile interval centred on the observed value. Shapes: (C, R), (C,) -> two of (C,)

    A resample draws some users more than once and so has fewer distinct codes: its entropy is too low, by more than the
    width of the interval. The spread is right, the centre is not.
    """
    low, high = percentile_interval(samples - samples.mean(axis=1, keepdims=True), level)
    return observed + low, observed + high


def _by_code(counts: csr_array) -> csr_array:
    """Shape: (U, V) -> (V, U)"""
    return counts.T.tocsr().astype(np.float32)
