"""Compare systems on the same users: difference, interval, p, effect size and wins for every metric.

Which test a metric gets is settled in semantics: significance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from . import diversity_tests, paired_tests, resampling
from .resampling import Float

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Test = Literal["randomisation", "t", "wilcoxon"]

TEST_NAMES = {
    "mcnemar": "exact McNemar",
    "randomisation": "paired randomisation (sign flips)",
    "swap": "paired randomisation (lists swapped)",
    "t": "paired t",
    "wilcoxon": "Wilcoxon signed-rank",
}


@dataclass(frozen=True, eq=False)
class System:
    """What one system did for each user.

    Attributes:
        label: how it is called in messages.
        users: user ids in rising order. Shape: (U,)
        values: per-user metrics, averaged over the seeds. Each of shape: (U,)
        seeds: how many seeds were averaged.
        counts: code counts of each user's lists, the seeds' lists pooled, or None without lists. Shape: (U, V)
    """

    label: str
    users: np.ndarray
    values: Mapping[str, Float]
    seeds: int = 1
    counts: csr_array | None = None


@dataclass(frozen=True)
class Comparison:
    """One metric of one system against the reference.

    Attributes:
        metric: its name, `hr@1`, `ndcg@10`, `entropy`, `ttr`, ...
        test: key of `TEST_NAMES`.
        difference: system minus reference.
        low: end of the bootstrap 95% interval of the difference; None for TTR, whose resamples can only lose codes.
        high: the other end.
        p: two-sided.
        p_holm: p after Holm over this metric's comparisons with the reference.
        effect: d_z; None for Entropy and TTR, which have no value per user.
        wins: users on whom the system is better, None likewise.
        losses: users on whom the reference is better.
        ties: the other users.
        detectable: the smallest difference that these users show with 80% power at 0.05.
    """

    metric: str
    test: str
    difference: float
    low: float | None
    high: float | None
    p: float
    p_holm: float
    detectable: float
    effect: float | None = None
    wins: int | None = None
    losses: int | None = None
    ties: int | None = None


def compare(
    reference: System,
    others: Sequence[System],
    metrics: Sequence[str],
    *,
    test: Test = "randomisation",
    resamples: int = resampling.RESAMPLES,
    seed: int = 0,
) -> list[dict[str, Comparison]]:
    """Compare each system with the reference.

    Args:
        reference: what the others are compared with.
        others: systems on the same users.
        metrics: per-user metrics, `entropy` and `ttr`; one that a system lacks is left out of its answer.
        test: for all but HR of one seed, Entropy and TTR.
        resamples: of the randomisation tests and of the bootstrap.
        seed: for both.

    Returns:
        For each of `others`, metric -> Comparison, corrected by Holm within each metric.

    Raises:
        ValueError: the systems have different users.
    """
    for other in others:
        if not np.array_equal(other.users, reference.users):
            raise ValueError(f"'{other.label}' and '{reference.label}' have different users")
    found: list[dict[str, Comparison]] = [{} for _ in others]
    _per_user(found, reference, others, metrics, test, resamples, seed)
    _diversity(found, reference, others, metrics, resamples, seed)
    for metric in metrics:
        rows = [row for row in found if metric in row]
        for row, p in zip(rows, paired_tests.holm([row[metric].p for row in rows]), strict=True):
            row[metric] = replace(row[metric], p_holm=float(p))
    return [{metric: row[metric] for metric in metrics if metric in row} for row in found]


def _per_user(
    found: list[dict[str, Comparison]],
    reference: System,
    others: Sequence[System],
    metrics: Sequence[str],
    test: Test,
    resamples: int,
    seed: int,
) -> None:
    """Fill in the metrics with a value per user, all columns at once."""
    cells = [(c, m) for c, other in enumerate(others) for m in metrics if m in other.values and m in reference.values]
    if not cells:
        return
    d = np.stack([others[c].values[m] - reference.values[m] for c, m in cells], axis=1)
    exact = np.array([m.startswith("hr@") and others[c].seeds == reference.seeds == 1 for c, m in cells])
    wins, losses, ties = paired_tests.outcomes(d)
    p = np.where(exact, paired_tests.mcnemar(wins, losses), 1.0)
    if not exact.all():
        rest = d[:, ~exact]
        p[~exact] = {
            "randomisation": lambda: paired_tests.randomisation(rest, resamples=resamples, seed=seed),
            "t": lambda: paired_tests.paired_t(rest),
            "wilcoxon": lambda: paired_tests.wilcoxon(rest),
        }[test]()
    low, high = resampling.interval(resampling.bootstrap_means(d, resamples=resamples, seed=seed))
    detectable = paired_tests.minimum_detectable_difference((d**2).mean(axis=0), len(d))
    effect, mean = paired_tests.effect_size(d), d.mean(axis=0)
    for i, (c, m) in enumerate(cells):
        found[c][m] = Comparison(
            m, "mcnemar" if exact[i] else test, float(mean[i]), float(low[i]), float(high[i]), float(p[i]), float(p[i]),
            float(detectable[i]), float(effect[i]), int(wins[i]), int(losses[i]), int(ties[i]),
        )  # fmt: skip


def _diversity(
    found: list[dict[str, Comparison]],
    reference: System,
    others: Sequence[System],
    metrics: Sequence[str],
    resamples: int,
    seed: int,
) -> None:
    """Fill in Entropy and TTR, which belong to all lists together."""
    asked = [(i, m) for i, m in enumerate(diversity_tests.DIVERSITY) if m in metrics]
    listed = [(c, other.counts) for c, other in enumerate(others) if other.counts is not None]
    if not asked or not listed or reference.counts is None:
        return
    counts = [count for _, count in listed]
    tested = diversity_tests.swap_test(reference.counts, counts, resamples=resamples, seed=seed)
    values = np.stack([diversity_tests.diversity(matrix) for matrix in (reference.counts, *counts)], axis=1)
    difference = values[:, 1:] - values[:, :1]
    detectable = paired_tests.minimum_detectable_difference(tested.null_sd**2, 1)
    samples = diversity_tests.bootstrap_entropy([reference.counts, *counts], resamples=resamples, seed=seed)
    low, high = diversity_tests.centred_interval(samples[1:] - samples[0], difference[0])
    for at, (c, _) in enumerate(listed):
        for i, m in asked:
            a, b = (float(low[at]), float(high[at])) if m == "entropy" else (None, None)
            p = float(tested.p[i, at])
            found[c][m] = Comparison(m, "swap", float(difference[i, at]), a, b, p, p, float(detectable[i, at]))


def intervals(
    systems: Sequence[System], metrics: Sequence[str], *, resamples: int = resampling.RESAMPLES, seed: int = 0
) -> list[dict[str, tuple[float, float]]]:
    """Bootstrap 95% intervals over users of each system's own values, TTR left out.

    Returns:
        For each system, metric -> (low, high).
    """
    found: list[dict[str, tuple[float, float]]] = []
    for system in systems:
        names = [m for m in metrics if m in system.values]
        found.append({})
        if names:
            values = np.stack([system.values[m] for m in names], axis=1)
            low, high = resampling.interval(resampling.bootstrap_means(values, resamples=resamples, seed=seed))
            found[-1] = {m: (float(low[i]), float(high[i])) for i, m in enumerate(names)}
        if "entropy" in metrics and system.counts is not None:
            samples = diversity_tests.bootstrap_entropy([system.counts], resamples=resamples, seed=seed)
            low, high = diversity_tests.centred_interval(samples, diversity_tests.diversity(system.counts)[:1])
            found[-1]["entropy"] = (float(low[0]), float(high[0]))
    return found
