"""Which stored runs fill the cells of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import UsageError
from ...io.hashing import to_jsonable
from ...plugins import options, registry
from ...store.run_spec import RunSpec
from ..table_spec import RowSpec, TableSpec

Summary = dict[str, Any]


@dataclass(frozen=True)
class CellRuns:
    """The runs of one row on one data set.

    Attributes:
        runs: one a seed, in the seeds' order; empty where one is missing.
        missing: the commands that would make the missing ones; empty also where the row says that there is no run.
        size: the size of the runs, or the one that was looked for ('' where the model has none, or nothing is known).
    """

    runs: tuple[Summary, ...]
    missing: tuple[str, ...]
    size: str


class RunFinder:
    """Finds the runs of a table among the stored ones.

    A cell fixes model, decoder, data, categories and options; size, users, beam, seeds and the time limit of the
    training come from the table's head. `auto` takes the largest size of a model that any row of the table has on that
    data, so that rows stay comparable. Of runs whose trainings had different limits the longest counts, unless the head
    names one.
    """

    def __init__(self, spec: TableSpec, runs: Iterable[Summary]) -> None:
        self._spec = spec
        runs = [run for run in runs if run["seed"] in spec.seeds]
        self._fitting = {
            (row.label, data): [run for run in runs if _fits(run, spec, row, data)]
            for row in spec.rows
            for data in spec.data
        }

    def cell(self, row: RowSpec, data: str) -> CellRuns:
        """The runs of one row on one data set.

        Raises:
            UsageError: two runs fit one seed and nothing in the table tells them apart.
        """
        size = self._size(row, data)
        fitting = [run for run in self._fitting[row.label, data] if run["size"] == size]
        if row.categories is None:
            fitting = _default_categories(fitting)
        by_seed = {seed: _longest([run for run in fitting if run["seed"] == seed]) for seed in self._spec.seeds}
        for found in by_seed.values():
            if len(found) > 1:
                raise UsageError(_conflict(row, found))
        missing = [seed for seed, found in by_seed.items() if not found]
        if missing:
            commands = [self._spec.command(row, data, seed, size) for seed in missing]
            return CellRuns((), () if row.reason(data) else tuple(commands), size)
        return CellRuns(tuple(found[0] for found in by_seed.values()), (), size)

    def _size(self, row: RowSpec, data: str) -> str:
        model, _ = options.parse(row.model)
        order = _sizes(model)
        fixed = row.size or (self._spec.size if self._spec.size != "auto" and order else "")
        if fixed:
            return fixed
        same = [other for other in self._spec.rows if options.parse(other.model)[0] == model and not other.size]
        present = {run["size"] for other in same for run in self._fitting[other.label, data]}
        return max(present, key=lambda size: order.index(size) if size in order else -1, default="")


def _sizes(model: str) -> tuple[str, ...]:
    return tuple(registry.load("model", model).sizes) if model in registry.names("model") else ()


def _fits(run: Summary, spec: TableSpec, row: RowSpec, data: str) -> bool:
    """Whether a run answers the cell's question, size and seed aside."""
    return (
        _same_data(run, data)
        and _same_users(run, spec)
        and run["eval_users"] == spec.eval_users
        and run["beam"] == (row.beam or spec.beam)
        and run["constrain"] == row.constrain
        and run.get("split", "test") == "test"
        and run["exclude_history"] == row.exclude_history
        and (spec.max_minutes is None or run.get("fit") is None or run["max_minutes"] == spec.max_minutes)
        and row.categories in (None, run["categories"])
        and _same_part(run, "model", row.model)
        and _same_part(run, "decoder", row.decoder)
    )


def _same_data(run: Summary, data: str) -> bool:
    label, name = run["data"].lower(), run["spec"]["data"]["name"].lower()
    asked = data.lower()
    return label == asked or (":" not in label and ":" not in asked and name == asked)


def _same_users(run: Summary, spec: TableSpec) -> bool:
    """The users asked for, not those found: data may have fewer, and a user with under 3 interactions is skipped."""
    return "users_asked" in run and bool(run["users_asked"] == spec.users)


def _same_part(run: Summary, kind: registry.Kind, text: str) -> bool:
    """Equal names and options, defaults and the size's own filled in; as written where the name is not registered."""
    name, _ = options.parse(text)
    if name not in registry.names(kind):
        return bool(run[kind] == text)
    stored = run["spec"][kind]
    if stored["name"] != name:
        return False
    _, instance = registry.make(kind, text)
    if kind == "model":
        if instance.sizes and run["size"] not in instance.sizes:
            return False
        instance = instance.with_size_defaults(run["size"])
    chosen = {key: value for key, value in stored["options"].items() if key != "files"}  # which versions: any
    return bool(chosen == to_jsonable(options.as_dict(instance)))


def _default_categories(runs: Sequence[Summary]) -> list[Summary]:
    """What the command takes by itself: `generate` where the data has categories, else `none`."""
    for value in ("generate", "none"):
        chosen = [run for run in runs if run["categories"] == value]
        if chosen:
            return chosen
    return []


def _longest(runs: Sequence[Summary]) -> list[Summary]:
    """Those whose training had the most time; no limit is the most."""
    limits = [math.inf if run["max_minutes"] is None else run["max_minutes"] for run in runs]
    return [run for run, limit in zip(runs, limits, strict=True) if limit == max(limits)]


def _conflict(row: RowSpec, runs: Sequence[Summary]) -> str:
    first, second = (RunSpec.from_dict(run["spec"]).as_dict() for run in runs[:2])  # older ones have fewer keys
    differing = [key for key in first if first[key] != second[key]]
    return (
        f"two runs fit the row '{row.label}': {runs[0]['path']} and {runs[1]['path']}, which differ in "
        f"{', '.join(differing)}; move one out of the run store"
    )
