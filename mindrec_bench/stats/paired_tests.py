"""Paired tests of two systems on the same users (docs/semantics.md, Significance).

HR of one seed is tested by the exact McNemar test, everything else that has a value per user by sign flips (paired
randomisation), both two-sided. Entropy and TTR have no value per user: see `stats.diversity_tests`. Functions take
differences "system minus reference", one row per user, and test all columns at once.

scipy is imported inside functions, so that tables without tests start quickly.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .resampling import RESAMPLES, Float, count_extreme, map_chunks, random_swaps

ALPHA = 0.05
"""The level of a test."""

POWER = 0.8
"""The chance to find a detectable difference."""


@dataclass(frozen=True)
class PValueRange:
    """The smallest and the largest exact McNemar p over all overlaps of two sets of hits."""

    low: float
    high: float


def mcnemar(wins: ArrayLike, losses: ArrayLike) -> Float:
    """Exact two-sided McNemar p: a binomial test at 1/2 on the users where exactly one of the two systems hits.

    Args:
        wins: users that only the first system hits, any shape.
        losses: users that only the second system hits, same shape.

    Returns:
        p, same shape; 1 where no user is discordant.
    """
    from scipy.special import bdtr

    wins, losses = np.asarray(wins, dtype=np.int64), np.asarray(losses, dtype=np.int64)
    fewer = np.minimum(wins, losses).astype(np.float64)
    return np.asarray(np.minimum(1.0, 2.0 * bdtr(fewer, wins + losses, 0.5)))


def mcnemar_range(hits_a: int, hits_b: int, n: int) -> PValueRange:
    """The p values that published hit counts allow, over every number of users that both systems may have hit.

    Args:
        hits_a: users hit by the first system, 0..n.
        hits_b: users hit by the second system, 0..n.
        n: users.

    Raises:
        ValueError: a count outside 0..n.
    """
    if not (0 <= hits_a <= n and 0 <= hits_b <= n):
        raise ValueError(f"hits {hits_a} and {hits_b} must be between 0 and the {n} users")
    both = np.arange(max(0, hits_a + hits_b - n), min(hits_a, hits_b) + 1)
    p = mcnemar(hits_a - both, hits_b - both)
    return PValueRange(float(p.min()), float(p.max()))


def randomisation_test(differences: Float, *, resamples: int = RESAMPLES, seed: int = 0) -> Float:
    """Two-sided paired randomisation test of a mean: flip the sign of each user's difference at random.

    p = (1 + #extreme) / (1 + resamples), never 0 (Smucker, Allan, Carterette 2007).

    Args:
        differences: per-user differences. Shape: (U, C)
        resamples: random sign vectors; all columns share them.
        seed: for the signs.

    Returns:
        p of each column. Shape: (C,)
    """
    active = differences.any(axis=1)
    columns = np.ascontiguousarray(differences[active].T)
    observed = columns.sum(axis=1)

    def count(chunk: int, size: int) -> NDArray[np.int64]:
        bits = random_swaps(len(differences), size, seed, chunk)[active]
        return count_extreme(observed[:, None] - 2.0 * (columns @ bits.astype(np.float64)), observed)

    return (1 + np.sum(map_chunks(count, resamples, len(differences)), axis=0)) / (1 + resamples)


def paired_t_test(differences: Float) -> Float:
    """Two-sided paired t test of each column; p = 1 where all differences are 0, and of one user.

    Shape: (U, C) -> (C,)
    """
    from scipy.stats import ttest_1samp

    nonzero = differences.any(axis=0) & (len(differences) > 1)
    p = np.ones(differences.shape[1])
    p[nonzero] = ttest_1samp(differences[:, nonzero], 0.0, axis=0).pvalue
    return p


def wilcoxon_test(differences: Float) -> Float:
    """Two-sided Wilcoxon signed-rank test of each column; p = 1 where all differences are 0. Shape: (U, C) -> (C,)

    Warns: it tests symmetry around 0 and not the mean, and rejects too often at thousands of users (Ihemelandu and
    Ekstrand 2023).
    """
    from scipy.stats import wilcoxon

    warnings.warn(
        "Wilcoxon's test has inflated errors at thousands of users; prefer the randomisation test", stacklevel=2
    )
    p = np.ones(differences.shape[1])
    for column in np.flatnonzero(differences.any(axis=0)):
        p[column] = wilcoxon(differences[:, column], method="approx").pvalue
    return p


def holm(p: ArrayLike) -> Float:
    """Holm's step-down correction of one family of p values, in their order. Shape: (C,) -> (C,)"""
    raw = np.asarray(p, dtype=float)
    order = np.argsort(raw, kind="stable")
    stepped = np.maximum.accumulate(raw[order] * np.arange(len(raw), 0, -1))
    corrected = np.empty_like(raw)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def minimum_detectable_difference(
    second_moment: ArrayLike, n: int, *, alpha: float = ALPHA, power: float = POWER
) -> Float:
    """The smallest mean difference that a test of n paired users finds with this power, by the normal approximation.

    Args:
        second_moment: mean squared per-user difference; for HR this is the share of discordant users.
        n: users.
        alpha: two-sided level of one test.
        power: the chance to find the difference.
    """
    from statistics import NormalDist

    z = NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(power)
    return np.asarray(z * np.sqrt(np.asarray(second_moment, dtype=float) / n))


def effect_size(differences: Float) -> Float:
    """d_z, the mean difference over the standard deviation of the differences; 0 where the mean is 0.

    Shape: (U, C) -> (C,), of two users or more
    """
    mean, deviation = differences.mean(axis=0), differences.std(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mean == 0, 0.0, mean / deviation)


def win_loss_tie(differences: Float, tolerance: float = 1e-12) -> tuple[NDArray, NDArray, NDArray]:
    """How many users are won, lost and tied, per column. Shape: (U, C) -> three of (C,)"""
    wins = (differences > tolerance).sum(axis=0)
    losses = (differences < -tolerance).sum(axis=0)
    return wins, losses, len(differences) - wins - losses
