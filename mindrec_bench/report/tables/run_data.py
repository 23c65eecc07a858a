"""Stored runs as systems to compare: per-user metrics averaged over the seeds, code counts pooled over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import UsageError
from ...metrics.accuracy import RANKING_METRICS
from ...stats.comparison import System
from ...stats.diversity_tests import code_counts
from ...store.runs import METRICS, RANKINGS, read_stored

Tokens = tuple[np.ndarray, np.ndarray]
"""User index and code of each recommended code; a code is its slot and its number, packed in one number."""

_PACK = 1 << 32

SID_CODE = "a code of a semantic ID"
"""What a code is to a model that names items by the data's codes."""


def load_systems(cells: Sequence[tuple[str, Sequence[dict[str, Any]]]], *, lists: bool) -> list[System]:
    """Read the runs of several systems on one data set.

    Args:
        cells: for each system its label and the summaries of its runs, one a seed.
        lists: read the rankings too, for Entropy and TTR; not where the runs have different semantic IDs, or some
            name items in codes of their own: codes then mean different things.

    Raises:
        UsageError: the runs are about different users or different data.
        DataError: a file of a run is missing or can't be read.
    """
    check_comparable([run for _, runs in cells for run in runs])
    systems = [_system(label, runs) for label, runs in cells]
    if not lists or not _same_codes([run for _, runs in cells for run in runs]):
        return systems
    tokens = [_tokens(runs, system.users) for (_, runs), system in zip(cells, systems, strict=True)]
    vocabulary = np.unique(np.concatenate([np.unique(codes) for _, codes in tokens]))
    return [
        replace(
            system, counts=code_counts(users, np.searchsorted(vocabulary, codes), len(system.users), len(vocabulary))
        )
        for system, (users, codes) in zip(systems, tokens, strict=True)
    ]


def check_comparable(runs: Sequence[dict[str, Any]]) -> None:
    """Refuse runs over different data or users; different semantic IDs of the same interactions are let pass.

    Raises:
        UsageError: says which two differ, and in what.
    """
    for run in runs[1:]:
        first = runs[0]
        known = (first.get("interactions"), run.get("interactions"))  # runs of earlier versions lack it
        data = known if None not in known else (_fingerprint(first), _fingerprint(run))
        for what, a, b in (
            ("data", *data),
            ("split", first.get("split", "test"), run.get("split", "test")),
            ("evaluated users", first["eval_users"] or first["users"], run["eval_users"] or run["users"]),
        ):
            if a != b:
                sides = (f"{r['run']} ({r['data']}, {r['eval_users'] or r['users']:,} users)" for r in (first, run))
                raise UsageError(f"runs {' and '.join(sides)} can't be compared: they have different {what}")


def kinds_of_codes(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Run -> what one of its codes is; where these differ, Entropy and TTR count different things."""
    return {run["run"]: run["slots"].get("code", SID_CODE) for run in runs}


def _same_codes(runs: Sequence[dict[str, Any]]) -> bool:
    return len({_fingerprint(run) for run in runs}) == 1 and len({*kinds_of_codes(runs).values()}) == 1


def _fingerprint(run: dict[str, Any]) -> str:
    return str(run["spec"]["data"]["fingerprint"])


def _system(label: str, runs: Sequence[dict[str, Any]]) -> System:
    tables = [read_stored(run, METRICS, ["user", *RANKING_METRICS]).sort_by("user") for run in runs]
    users = tables[0]["user"].to_numpy()
    for run, table in zip(runs, tables, strict=True):
        if not np.array_equal(table["user"].to_numpy(), users):
            raise UsageError(f"runs {runs[0]['run']} and {run['run']} can't be compared: they have different users")
    values = {metric: np.mean([table[metric].to_numpy() for table in tables], axis=0) for metric in RANKING_METRICS}
    return System(label, users, values, seeds=len(runs))


def _tokens(runs: Sequence[dict[str, Any]], users: np.ndarray) -> Tokens:
    """The SID codes of all lists of all seeds. Shapes: (tokens,), (tokens,)"""
    owners, packed = [], []
    for run in runs:
        table = read_stored(run, RANKINGS, ["user", "codes"])
        sid = run["slots"]["sid"]
        flat = table["codes"].combine_chunks().flatten().to_numpy().astype(np.int64)
        codes = flat.reshape(len(table), -1)[:, -sid:] if len(table) else np.zeros((0, sid), dtype=np.int64)
        real = codes.ravel() >= 0  # a model's own IDs may end before the last slot
        owners.append(np.repeat(np.searchsorted(users, table["user"].to_numpy()), sid)[real])
        packed.append((codes + np.arange(sid) * _PACK).ravel()[real])
    return np.concatenate(owners), np.concatenate(packed)
