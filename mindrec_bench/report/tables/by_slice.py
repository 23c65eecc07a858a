"""A table for each group of users of a slice (`mrbench table --by`)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core.code_space import Int
from ...data.slices import slice_users
from ...errors import UsageError
from ...experiment.stored_data import load_run_data
from ...store.runs import Run
from ..table_spec import TableSpec
from .build import build_table
from .match_runs import RunMatcher
from .table import Table


def build_slice_tables(
    spec: TableSpec, runs: Iterable[Run], by: str, data_dir: Path | None = None, **settings: Any
) -> list[Table]:
    """Fill a table once for each group of users, without published values, which are of all users.

    Args:
        spec: what it shows, of kind `table`.
        runs: finished runs.
        by: a key of `data.slices.SLICES`.
        data_dir: where data folders are, or None for the usual places.
        settings: of `build_table`.

    Returns:
        One table per group that has users on any dataset of the table that has runs.

    Raises:
        UsageError: a table of counts, an unknown slice, or as `build_table`.
        DataError: the data is missing or has changed since a run, or as `build_table`.
    """
    if spec.kind != "table":
        raise UsageError(f"'{spec.name}' shows no metrics of users, so it has no slices; leave out --by")
    runs = list(runs)
    rows = tuple(replace(row, published={}) for row in spec.rows)
    spec = replace(spec, rows=rows, paper="", findings=())
    matcher = RunMatcher(spec, runs)
    groups: dict[str, dict[str, Int]] = {}
    for data in spec.data:
        first = next((run for row in rows for run in matcher.match(row, data).runs), None)
        if first is None:
            continue
        slices = slice_users(load_run_data(first, data_dir), by, first.spec.split)
        for name, mask in slices.members(slices.users):
            groups.setdefault(name, {})[data] = slices.users[mask]
    return [
        build_table(
            replace(spec, name=f"{spec.name}-{_slug(name)}", title=f"{spec.title}; by {by}: {name}"),
            runs,
            members={data: members.get(data, slices.users[:0]) for data in spec.data},
            **settings,
        )
        for name, members in groups.items()
    ]


def _slug(name: str) -> str:
    return re.sub(r"\W+", "-", name.lower()).strip("-")
