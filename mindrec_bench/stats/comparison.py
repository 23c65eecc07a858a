"""Compare systems on the same users: difference, interval, p, effect size and wins of every metric.

Which metric gets which test: docs/semantics.md, Significance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from . import diversity_tests, paired_tests, resampling, seeds
from .resampling import Float

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PairedTest = Literal["randomisation", "t", "wilcoxon"]
"""The tests to choose from for metrics with a value per user."""

TEST_NAMES = {
    "mcnemar": "exact McNemar",
    "randomisation": "paired randomisation (sign flips)",
    "swap": "paired randomisation (lists swapped)",
    "t": "paired t",
    "wilcoxon": "Wilcoxon signed-rank",
}
"""All tests, with their names in output."""

LENGTH_TOLERANCE = 0.01
"""Lists of two systems are alike in length where the codes that they hold together differ by at most this share."""


@dataclass(frozen=True, eq=False)
class System:
    """The results of one system for each user.

    Attributes:
        label: its name in messages.
        users: user ids in rising order. Shape: (U,)
        values: metric -> its values, averaged over the seeds. Shape of each: (U,)
        seeds: how many seeds were averaged.
        counts: code counts of each user's lists, those of all seeds pooled; None without lists. Shape: (U, V)
        by_seed: seed -> metric -> the values of this seed, where there are several seeds. Shape of each: (U,)
    """

    label: str
    users: np.ndarray
    values: Mapping[str, Float]
    seeds: int = 1
    counts: csr_array | None = None
    by_seed: Mapping[int, Mapping[str, Float]] = field(default_factory=dict)

    def seed_values(self, metric: str) -> Float:
        """The values of each seed, or their average where they are not known. Shape: (S, U)"""
        rows = [values[metric] for values in self.by_seed.values()]
        return np.stack(rows or [self.values[metric]])


@dataclass(frozen=True)
class Comparison:
    """One metric of one system against the reference.

    Attributes:
        metric: `hr@1`, `ndcg@10`, `entropy`, `ttr`, ...
        test: key of `TEST_NAMES`.
        difference: system minus reference.
        low: lower end of the bootstrap 95% interval of the difference, over users and, where a system has several, over
            seeds; of Entropy over users only, and None for TTR, whose resamples only lose codes, and of one user.
        high: upper end of it.
        p: two-sided.
        p_holm: p after Holm's correction over the comparisons of this metric.
        detectable: the smallest difference that a test of these users finds with 80% power at level 0.05; None of one
            user.
        effect: d_z; None for Entropy and TTR, which have no value per user, and of one user.
        wins: on how many users the system is better; None for Entropy and TTR.
        losses: on how many users the reference is better; None as above.
        ties: how many other users there are; None as above.
        seed_noise: the largest difference that seeds alone explain, half the width of its 95% t interval over seeds;
            None for Entropy and TTR, and where each system has one seed.
    """

    metric: str
    test: str
    difference: float
    low: float | None
    high: float | None
    p: float
    p_holm: float
    detectable: float | None
    effect: float | None = None
    wins: int | None = None
    losses: int | None = None
    ties: int | None = None
    seed_noise: float | None = None

    @property
    def above_seed_noise(self) -> bool | None:
        """Whether the difference is larger than what seeds alone explain; None where that is not known."""
        return None if self.seed_noise is None else abs(self.difference) > self.seed_noise


def compare(
    reference: System,
    others: Sequence[System],
    metrics: Sequence[str],
    *,
    test: PairedTest = "randomisation",
    resamples: int = resampling.RESAMPLES,
    seed: int = 0,
) -> list[dict[str, Comparison]]:
    """Compare each system with the reference.

    Args:
        reference: what the others are compared with.
        others: systems on the same users.
        metrics: per-user metrics, `entropy` and `ttr`; one that a system lacks is left out of its comparisons, and so
            are `entropy` and `ttr` where its lists are not as long as those of the reference.
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
    rows: list[dict[str, Comparison]] = [{} for _ in others]
    _compare_per_user(rows, reference, others, metrics, test, resamples, seed)
    _compare_diversity(rows, reference, others, metrics, resamples, seed)
    for metric in metrics:
        family = [row for row in rows if metric in row]
        for row, p in zip(family, paired_tests.holm([row[metric].p for row in family]), strict=True):
            row[metric] = replace(row[metric], p_holm=float(p))
    return [{metric: row[metric] for metric in metrics if metric in row} for row in rows]


def _compare_per_user(
    rows: list[dict[str, Comparison]],
    reference: System,
    others: Sequence[System],
    metrics: Sequence[str],
    test: PairedTest,
    resamples: int,
    seed: int,
) -> None:
    """Fill in the metrics with a value per user; all systems and metrics are columns of one array."""
    cells = [(c, m) for c, other in enumerate(others) for m in metrics if m in other.values and m in reference.values]
    if not cells:
        return
    d = np.stack([others[c].values[m] - reference.values[m] for c, m in cells], axis=1)
    exact = np.array([m.startswith("hr@") and others[c].seeds == reference.seeds == 1 for c, m in cells])
    wins, losses, ties = paired_tests.win_loss_tie(d)
    p = np.where(exact, paired_tests.mcnemar(wins, losses), 1.0)
    if not exact.all():
        rest = d[:, ~exact]
        p[~exact] = {
            "randomisation": lambda: paired_tests.randomisation_test(rest, resamples=resamples, seed=seed),
            "t": lambda: paired_tests.paired_t_test(rest),
            "wilcoxon": lambda: paired_tests.wilcoxon_test(rest),
        }[test]()
    by_seed = [_difference_by_seed(reference, others[c], m) for c, m in cells]
    blocks = [block for cell in by_seed for block in cell]
    samples = iter(seeds.bootstrap_means_over_seeds(blocks, resamples=resamples, seed=seed))
    low, high = resampling.percentile_interval(np.stack([sum(next(samples) for _ in cell) for cell in by_seed]))
    noise = [seeds.seed_noise([values.mean(axis=1) for values, _ in cell]) for cell in by_seed]
    detectable = paired_tests.minimum_detectable_difference((d**2).mean(axis=0), len(d))
    mean, spread = d.mean(axis=0), [low, high, detectable, paired_tests.effect_size(d)] if len(d) > 1 else None
    for i, (c, m) in enumerate(cells):
        a, b, smallest, d_z = [float(column[i]) for column in spread] if spread else [None] * 4
        rows[c][m] = Comparison(
            m, "mcnemar" if exact[i] else test, float(mean[i]), a, b, float(p[i]), float(p[i]), smallest, d_z,
            int(wins[i]), int(losses[i]), int(ties[i]), noise[i],
        )  # fmt: skip


def _difference_by_seed(reference: System, other: System, metric: str) -> list[tuple[Float, int]]:
    """One system minus another as independent terms, each with its stream of seeds. Shape of each: (S, U)

    Runs of the same seeds are paired: the decoders of one fit share it. Otherwise each system has seeds of its own.
    """
    theirs, ours = other.seed_values(metric), reference.seed_values(metric)
    if other.by_seed.keys() == reference.by_seed.keys():
        order = [list(reference.by_seed).index(seed) for seed in other.by_seed] or [0]
        return [(theirs - ours[order], 0)]
    return [(theirs, 0), (-ours, 1)]


def _compare_diversity(
    rows: list[dict[str, Comparison]],
    reference: System,
    others: Sequence[System],
    metrics: Sequence[str],
    resamples: int,
    seed: int,
) -> None:
    """Fill in Entropy and TTR, the metrics of all lists together."""
    requested = [(i, m) for i, m in enumerate(diversity_tests.DIVERSITY_METRICS) if m in metrics]
    if not requested or reference.counts is None:
        return
    with_lists = [
        (c, other.counts)
        for c, other in enumerate(others)
        if other.counts is not None and alike_lengths(reference.counts, other.counts)
    ]
    if not with_lists:
        return
    counts = [count for _, count in with_lists]
    tests = diversity_tests.swap_test(reference.counts, counts, resamples=resamples, seed=seed)
    values = np.stack([diversity_tests.diversity(matrix) for matrix in (reference.counts, *counts)], axis=1)
    difference = values[:, 1:] - values[:, :1]
    detectable = paired_tests.minimum_detectable_difference(tests.null_sd**2, 1)
    samples = diversity_tests.bootstrap_entropy([reference.counts, *counts], resamples=resamples, seed=seed)
    low, high = diversity_tests.centred_interval(samples[1:] - samples[0], difference[0])
    several = len(reference.users) > 1
    for column, (c, _) in enumerate(with_lists):
        for i, m in requested:
            a, b = (float(low[column]), float(high[column])) if m == "entropy" and several else (None, None)
            p, smallest = float(tests.p[i, column]), float(detectable[i, column]) if several else None
            rows[c][m] = Comparison(m, "swap", float(difference[i, column]), a, b, p, p, smallest)


def alike_lengths(one: csr_array, other: csr_array) -> bool:
    """Whether the lists of two systems are as long, up to `LENGTH_TOLERANCE`; else Entropy and TTR are not tested.

    Args:
        one: the code counts of a system. Shape: (U, V)
        other: those of another. Shape: (U, V)
    """
    shorter, longer = sorted((float(one.sum()), float(other.sum())))
    return longer - shorter <= LENGTH_TOLERANCE * longer


def intervals(
    systems: Sequence[System], metrics: Sequence[str], *, resamples: int = resampling.RESAMPLES, seed: int = 0
) -> list[dict[str, tuple[float, float]]]:
    """Bootstrap 95% intervals of the values of each system, TTR left out.

    They are over users and, where a system has several, over seeds; of Entropy over users only.

    Returns:
        For each system, metric -> (low, high); nothing of one user, who has no interval.
    """
    return [_intervals(system, metrics, resamples, seed) for system in systems]


def _intervals(system: System, metrics: Sequence[str], resamples: int, seed: int) -> dict[str, tuple[float, float]]:
    ends: dict[str, tuple[float, float]] = {}
    if len(system.users) < 2:
        return ends
    per_user = [m for m in metrics if m in system.values]
    if per_user:
        blocks = [(system.seed_values(m), 0) for m in per_user]
        samples = seeds.bootstrap_means_over_seeds(blocks, resamples=resamples, seed=seed)
        low, high = resampling.percentile_interval(samples)
        ends = {m: (float(low[i]), float(high[i])) for i, m in enumerate(per_user)}
    if "entropy" in metrics and system.counts is not None:
        samples = diversity_tests.bootstrap_entropy([system.counts], resamples=resamples, seed=seed)
        low, high = diversity_tests.centred_interval(samples, diversity_tests.diversity(system.counts)[:1])
        ends["entropy"] = (float(low[0]), float(high[0]))
    return ends
