"""Stored runs as systems to compare: per-user metrics averaged over the seeds, code counts pooled over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import UsageError
from ...metrics.names import RANKING_METRICS
from ...stats.comparison import System
from ...stats.diversity_tests import DIVERSITY_METRICS, code_counts, diversity
from ...store.runs import load_metrics, load_rankings

SID_CODE = "a code of a semantic ID"
"""What a code is for models that name items by the data's semantic IDs."""

_SLOT_STRIDE = 1 << 32
"""A code and its slot are packed into the one number code + slot * stride."""


def load_systems(cells: Sequence[tuple[str, Sequence[dict[str, Any]]]], *, with_rankings: bool) -> list[System]:
    """Read the runs of several systems on one dataset.

    Args:
        cells: for each system, its label and the summaries of its runs, one per seed.
        with_rankings: read the rankings too, for Entropy and TTR. They are not read where the runs have different
            semantic IDs, or only some models name items in codes of their own: then codes can't be compared.

    Raises:
        UsageError: the runs have different users or different data.
        DataError: a file of a run is missing or can't be read.
    """
    all_runs = [run for _, runs in cells for run in runs]
    check_comparable(all_runs)
    systems = [_load_system(label, runs) for label, runs in cells]
    if not with_rankings or not _have_same_codes(all_runs):
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


def check_comparable(runs: Sequence[dict[str, Any]]) -> None:
    """Refuse runs over different data or users; different semantic IDs of the same interactions are allowed.

    Raises:
        UsageError: names two runs that differ, and in what.
    """
    for run in runs[1:]:
        first = runs[0]
        interactions = (first.get("interactions"), run.get("interactions"))  # missing in runs of earlier versions
        data = interactions if None not in interactions else (_fingerprint(first), _fingerprint(run))
        for what, a, b in (
            ("data", *data),
            ("split", first.get("split", "test"), run.get("split", "test")),
            ("evaluated users", first["eval_users"] or first["users"], run["eval_users"] or run["users"]),
        ):
            if a != b:
                sides = (f"{r['run']} ({r['data']}, {r['eval_users'] or r['users']:,} users)" for r in (first, run))
                raise UsageError(f"runs {' and '.join(sides)} can't be compared: they have different {what}")


def code_kinds(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Run id -> what one of its codes is; where these differ, Entropy and TTR can't be compared."""
    return {run["run"]: run["slots"].get("code", SID_CODE) for run in runs}


def _have_same_codes(runs: Sequence[dict[str, Any]]) -> bool:
    return len({_fingerprint(run) for run in runs}) == 1 and len({*code_kinds(runs).values()}) == 1


def _fingerprint(run: dict[str, Any]) -> str:
    return str(run["spec"]["data"]["fingerprint"])


def _load_system(label: str, runs: Sequence[dict[str, Any]]) -> System:
    tables = [load_metrics(run, ["user", *RANKING_METRICS]).sort_by("user") for run in runs]
    users = tables[0]["user"].to_numpy()
    for run, table in zip(runs, tables, strict=True):
        if not np.array_equal(table["user"].to_numpy(), users):
            raise UsageError(f"runs {runs[0]['run']} and {run['run']} can't be compared: they have different users")
    values = {metric: np.mean([table[metric].to_numpy() for table in tables], axis=0) for metric in RANKING_METRICS}
    return System(label, users, values, seeds=len(runs))


def _load_tokens(runs: Sequence[dict[str, Any]], users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The recommended SID codes (tokens) in all lists of all runs.

    Args:
        runs: summaries.
        users: the ids of all users, in rising order. Shape: (U,)

    Returns:
        For each token the index of its user, and the code packed with its slot. Shapes: (tokens,), (tokens,)
    """
    owners, packed = [], []
    for run in runs:
        table = load_rankings(run, ["user", "codes"])
        sid = run["slots"]["sid"]
        flat = table["codes"].combine_chunks().flatten().to_numpy().astype(np.int64)
        codes = flat.reshape(len(table), -1)[:, -sid:] if len(table) else np.zeros((0, sid), dtype=np.int64)
        real = codes.ravel() >= 0  # IDs of a model's own may end before the last slot
        owners.append(np.repeat(np.searchsorted(users, table["user"].to_numpy()), sid)[real])
        packed.append((codes + np.arange(sid) * _SLOT_STRIDE).ravel()[real])
    return np.concatenate(owners), np.concatenate(packed)
