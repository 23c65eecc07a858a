"""Stored runs as systems to compare: per-user metrics averaged over the seeds, code counts pooled over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...errors import UsageError
from ...metrics.accuracy import Columns, rank_metric
from ...metrics.names import RANK_METRICS, RANKING_METRICS, split_metric
from ...stats.comparison import System
from ...stats.diversity_tests import DIVERSITY_METRICS, code_counts, diversity
from ...store.runs import Run

_SLOT_STRIDE = 1 << 32
"""A code and its slot are packed into the one number code + slot * stride."""


def group_seeds(runs: Sequence[Run]) -> list[tuple[Run, ...]]:
    """The runs of each system, in the order of its first: runs that differ only in the seed are one system."""
    systems: dict[str, list[Run]] = {}
    for run in runs:
        systems.setdefault(replace(run.spec, seed=0).id, []).append(run)
    return [tuple(of_system) for of_system in systems.values()]


def load_systems(
    cells: Sequence[tuple[str, Sequence[Run]]], *, with_codes: bool, metrics: Sequence[str] = RANKING_METRICS
) -> list[System]:
    """Read the runs of several systems on one dataset.

    Args:
        cells: for each system, its label and its runs, one per seed.
        with_codes: read the recommended codes too, for Entropy and TTR. They are not read where the runs have different
            semantic IDs, where only some models name items in codes of their own, or where a compact run lacks them:
            then codes can't be compared.
        metrics: which to read; those without a value per user, or at a k beyond the beam, are left out.

    Raises:
        UsageError: the runs have different users or different data.
        DataError: a file of a run is missing or can't be read.
    """
    all_runs = [run for _, runs in cells for run in runs]
    check_comparable(all_runs)
    systems = [_load_system(label, runs, metrics) for label, runs in cells]
    if not with_codes or not _have_same_codes(all_runs) or runs_without_codes(all_runs):
        return systems
    tokens = [_load_tokens(runs, system.users) for (_, runs), system in zip(cells, systems, strict=True)]
    vocabulary = np.unique(np.concatenate([np.unique(codes) for _, codes in tokens]))
    return [
        replace(
            system, counts=code_counts(users, np.searchsorted(vocabulary, codes), len(system.users), len(vocabulary))
        )
        for system, (users, codes) in zip(systems, tokens, strict=True)
    ]


def system_value(system: System, metric: str) -> float | None:
    """The mean over users or the statistic of all lists; None for a metric that the system does not have."""
    if metric in system.values:
        return float(system.values[metric].mean())
    if metric in DIVERSITY_METRICS and system.counts is not None:
        return float(diversity(system.counts)[DIVERSITY_METRICS.index(metric)])
    return None


def check_comparable(runs: Sequence[Run]) -> None:
    """Refuse runs over different data or users; different semantic IDs of the same interactions are allowed.

    Raises:
        UsageError: names two runs that differ, and in what.
    """
    for run in runs[1:]:
        first = runs[0]
        for what, a, b in (
            ("holdout", first.spec.holdout, run.spec.holdout),
            ("data", first.summary.interactions, run.summary.interactions),
            ("split", first.spec.split, run.spec.split),
            ("evaluated users", first.spec.evaluated_users, run.spec.evaluated_users),
        ):
            if a != b:
                sides = (f"{r.id} ({r.summary.data}, {r.spec.evaluated_users:,} users)" for r in (first, run))
                raise UsageError(f"runs {' and '.join(sides)} can't be compared: they have different {what}")


def code_kinds(runs: Sequence[Run]) -> dict[str, str]:
    """Run id -> what one of its codes is; where these differ, Entropy and TTR can't be compared."""
    return {run.id: run.summary.slots.code for run in runs}


def runs_without_codes(runs: Sequence[Run]) -> list[str]:
    """The ids of compact runs that were stored without their codes."""
    return [run.id for run in runs if "codes" in run.summary.lacks]


def _have_same_codes(runs: Sequence[Run]) -> bool:
    return len({run.spec.data.fingerprint for run in runs}) == 1 and len({*code_kinds(runs).values()}) == 1


def _load_system(label: str, runs: Sequence[Run], metrics: Sequence[str]) -> System:
    by_run = [_sorted_by_user(run.per_user()) for run in runs]
    users = by_run[0]["user"]
    for run, columns in zip(runs, by_run, strict=True):
        if not np.array_equal(columns["user"], users):
            raise UsageError(f"runs {runs[0].id} and {run.id} can't be compared: they have different users")
    beam = min(run.spec.beam for run in runs)
    parts = {metric: split_metric(metric) for metric in metrics}
    known = [metric for metric, (name, k) in parts.items() if name in RANK_METRICS and k <= beam]
    by_seed = {
        run.spec.seed: {metric: rank_metric(metric, columns["hit_rank"]) for metric in known}
        for run, columns in zip(runs, by_run, strict=True)
    }
    values = {metric: np.mean([of_seed[metric] for of_seed in by_seed.values()], axis=0) for metric in known}
    return System(label, users, values, seeds=len(runs), by_seed=by_seed if len(runs) > 1 else {})


def _sorted_by_user(columns: Columns) -> Columns:
    order = np.argsort(columns["user"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def _load_tokens(runs: Sequence[Run], users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The recommended SID codes (tokens) in all lists of all runs.

    Args:
        runs: the runs.
        users: the ids of all users, in rising order. Shape: (U,)

    Returns:
        For each token the index of its user, and the code packed with its slot. Shapes: (tokens,), (tokens,)
    """
    owners, packed = [], []
    for run in runs:
        counts = run.code_counts()
        assert counts is not None  # see `load_systems`
        user, slot, code, count = (column.to_numpy().astype(np.int64) for column in counts.columns)
        owners.append(np.repeat(np.searchsorted(users, user), count))
        packed.append(np.repeat(code + slot * _SLOT_STRIDE, count))
    return np.concatenate(owners), np.concatenate(packed)
