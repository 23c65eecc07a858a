"""Stored runs on slices of the users: values with intervals, and tests against the first run (`mrbench compare --by`).

A page and a table read the same numbers from `compare_slices`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.slices import SLICES, Slices
from ..errors import UsageError
from ..stats.comparison import TEST_NAMES, Comparison, PairedTest, System, compare, intervals
from ..stats.paired_tests import ALPHA, holm
from ..stats.resampling import RESAMPLES
from ..store.runs import Run
from .metric_format import format_value, metric_arrow, metric_name
from .tables.run_data import group_seeds, load_systems
from .text_table import format_columns

METRICS = ("hr@10", "ndcg@10")


@dataclass(frozen=True)
class SliceGroup:
    """One group of users.

    Attributes:
        name: what these users have in common.
        users: how many there are.
        values: metric -> mean over the group of each system, in their order.
        intervals: metric -> bootstrap 95% interval of each of these; None of one user.
        comparisons: for each system but the first, metric -> comparison with the first on these users; Holm's
            correction is over all groups and systems of one metric.
    """

    name: str
    users: int
    values: dict[str, tuple[float, ...]]
    intervals: dict[str, tuple[tuple[float, float] | None, ...]]
    comparisons: tuple[dict[str, Comparison], ...]


@dataclass(frozen=True)
class SliceComparison:
    """Systems on all groups of one slice.

    Attributes:
        by: a key of `data.slices.SLICES`.
        systems: the runs of each system, one a seed; the others are tested against the first.
        groups: those that have users.
        resamples: of the tests and the bootstrap.
    """

    by: str
    systems: tuple[tuple[Run, ...], ...]
    groups: tuple[SliceGroup, ...]
    resamples: int


def compare_slices(
    runs: Sequence[Run],
    slices: Slices,
    metrics: Sequence[str] = METRICS,
    *,
    test: PairedTest = "randomisation",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> SliceComparison:
    """Compare systems of runs with the first one on each group of users.

    Args:
        runs: one or more, over the same users; those that differ only in the seed are one system.
        slices: of the data and the split of the runs (`data.slices.slice_users`).
        metrics: of `metrics.names.RANK_METRICS`, at any k within the beams.
        test: for all metrics but HR.
        resamples: of the randomisation tests and the bootstrap.
        seed: of both.

    Raises:
        UsageError: the runs have different users or different data, or a k is beyond a beam.
        DataError: a file of a run is missing or can't be read.
    """
    grouped = group_seeds(runs)
    systems = load_systems([(of_system[0].id, of_system) for of_system in grouped], with_codes=False, metrics=metrics)
    for metric in metrics:
        if lacking := [system.label for system in systems if metric not in system.values]:
            raise UsageError(f"{metric} of run {lacking[0]} is not known for each user; choose another metric or k")
    settings: dict[str, Any] = {"resamples": resamples, "seed": seed}
    groups = []
    for name, mask in slices.members(systems[0].users):
        first, *others = members = [of_users(system, mask) for system in systems]
        spans = intervals(members, metrics, **settings)
        groups.append(
            SliceGroup(
                name,
                int(mask.sum()),
                {metric: tuple(float(system.values[metric].mean()) for system in members) for metric in metrics},
                {metric: tuple(of_system.get(metric) for of_system in spans) for metric in metrics},
                tuple(compare(first, others, metrics, test=test, **settings)) if others else (),
            )
        )
    return SliceComparison(slices.by, tuple(grouped), _corrected(groups, metrics), resamples)


def of_users(system: System, mask: NDArray[np.bool_]) -> System:
    """A system on some of its users. Shape of the mask: (U,)"""
    values = {metric: column[mask] for metric, column in system.values.items()}
    counts = None if system.counts is None else system.counts[np.flatnonzero(mask)]
    by_seed = {
        seed: {metric: column[mask] for metric, column in of_seed.items()} for seed, of_seed in system.by_seed.items()
    }
    return replace(system, users=system.users[mask], values=values, counts=counts, by_seed=by_seed)


def _corrected(groups: Sequence[SliceGroup], metrics: Sequence[str]) -> tuple[SliceGroup, ...]:
    """Holm's correction over all groups and runs of a metric: each is one more chance to find something."""
    family = {metric: [row[metric].p for group in groups for row in group.comparisons] for metric in metrics}
    corrected = {metric: iter(holm(p)) for metric, p in family.items()}
    return tuple(
        replace(
            group,
            comparisons=tuple(
                {metric: replace(row[metric], p_holm=float(next(corrected[metric]))) for metric in metrics}
                for row in group.comparisons
            ),
        )
        for group in groups
    )


def slices_text(comparison: SliceComparison) -> str:
    """The comparison for a terminal: one block for each metric, one line for each group and run."""
    metrics = list(comparison.groups[0].values) if comparison.groups else []
    blocks = ["\n".join(_metric_lines(comparison, metric)) for metric in metrics]
    tests = {row[metric].test for group in comparison.groups for row in group.comparisons for metric in metrics}
    several = any(len(runs) > 1 for runs in comparison.systems)
    note = f"95% interval: bootstrap over the group's users{' and the seeds' if several else ''}."
    if tests:
        names = "; ".join(TEST_NAMES[test] for test in TEST_NAMES if test in tests)
        n = len(comparison.groups) * (len(comparison.systems) - 1)
        note += (
            f" difference: run minus the first run on the same users.\np: {names}; two-sided, "
            f"{comparison.resamples:,} resamples; Holm over {n} comparisons a metric, * at {ALPHA}."
        )
    return "\n\n".join([*blocks, note])


def _metric_lines(comparison: SliceComparison, metric: str) -> list[str]:
    rows = []
    for group in comparison.groups:
        for number, runs in enumerate(comparison.systems):
            ends = group.intervals[metric][number]
            tested = group.comparisons[number - 1][metric] if number else None
            rows.append(
                (
                    "" if number else group.name,
                    "" if number else f"{group.users:,}",
                    runs[0].id + (f" ({len(runs)} seeds)" if len(runs) > 1 else ""),
                    format_value(group.values[metric][number], metric),
                    f"[{', '.join(format_value(end, metric) for end in ends)}]" if ends else "-",
                    _difference(tested, metric) if tested else "",
                    f"{tested.p_holm:.2g}" if tested else "",
                    f"{tested.wins}/{tested.losses}/{tested.ties}" if tested else "",
                )
            )
    name = f"{metric_name(metric)}{metric_arrow(metric)}"
    headings = (f"by {comparison.by}", "users", "run", name, "95% interval", "difference", "p Holm", "wins/losses/ties")
    return format_columns(rows, headings)


def _difference(tested: Comparison, metric: str) -> str:
    value = format_value(tested.difference, metric)
    sign = "" if value.startswith("-") else "+"
    return f"{sign}{value}{'*' if tested.p_holm <= ALPHA else ' '}"


def slices_dict(comparison: SliceComparison) -> dict[str, Any]:
    """The comparison in JSON's types."""
    return {
        "by": comparison.by,
        "meaning": (SLICES[comparison.by].__doc__ or "").strip(),
        "runs": [runs[0].id for runs in comparison.systems],
        "resamples": comparison.resamples,
        "groups": [asdict(group) for group in comparison.groups],
    }
