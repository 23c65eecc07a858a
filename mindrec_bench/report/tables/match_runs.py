"""Which stored runs fill the cells of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from ...core.holdout import Holdout
from ...data.sources import default_users
from ...errors import UsageError
from ...experiment.config import AUTO, ExperimentConfig
from ...plugins import options, registry
from ...stats.diversity_tests import DIVERSITY_METRICS
from ...store.run_spec import EXTERNAL, DecoderSpec, ModelSpec
from ...store.runs import Run
from ..table_spec import RowSpec, TableSpec


@dataclass(frozen=True)
class CellRuns:
    """The runs of one row on one dataset.

    Attributes:
        runs: one per seed, in the order of the seeds; empty where one is missing.
        missing: the commands that would make the missing runs; empty too where the row says that there can be none.
        missing_configs: what each of these commands runs; not of rankings made elsewhere.
        size: size of the runs, or the one that was looked for ('' where the model has none, or there is no run of it).
    """

    runs: tuple[Run, ...]
    size: str
    missing: tuple[str, ...] = ()
    missing_configs: Mapping[str, ExperimentConfig] = field(default_factory=dict)


class RunMatcher:
    """Matches stored runs with the cells of a table; a damaged run is missing, with a notice that names its file.

    A cell fixes model, decoder, data, categories and options; size, users, beam, seeds and the time limit of training
    come from the table's head. Size `auto` takes the largest size of a model that any row of the table has on that
    data, so that rows stay comparable. Of runs whose models were trained under different time limits, the one with the
    longest counts, unless the head fixes the limit.
    """

    def __init__(self, spec: TableSpec, runs: Iterable[Run]) -> None:
        self._spec = spec
        runs = [run for run in runs if run.spec.seed in spec.seeds]
        self._matches = {
            (row.label, data): [run for run in runs if _matches(run, spec, row, data)]
            for row in spec.rows
            for data in spec.data
        }
        """(row, data) -> the runs that match, size and seed aside."""

    def match(self, row: RowSpec, data: str) -> CellRuns:
        """The runs of one row on one dataset.

        Raises:
            UsageError: two runs match one seed and nothing in the table tells them apart.
        """
        size = self._size(row, data)
        runs = [run for run in self._matches[row.label, data] if run.spec.model.size == size]
        if self._spec.setting("categories", row) is None:
            runs = _with_default_categories(runs)
        by_seed = {seed: _longest_trained([run for run in runs if run.spec.seed == seed]) for seed in self._spec.seeds}
        for matches in by_seed.values():
            if len(matches) > 1:
                raise UsageError(_conflict(row, matches))
        codes = any(metric in DIVERSITY_METRICS for metric in self._spec.metrics)
        by_seed = {seed: [run for run in matches if run.is_whole(codes=codes)] for seed, matches in by_seed.items()}
        missing_seeds = [seed for seed, matches in by_seed.items() if not matches]
        if not missing_seeds:
            return CellRuns(tuple(matches[0] for matches in by_seed.values()), size)
        if row.reason(data):
            return CellRuns((), size)
        commands = [self._spec.command(row, data, seed, size) for seed in missing_seeds]
        if row.decoder == EXTERNAL:
            return CellRuns((), size, tuple(commands))
        configs = [self._spec.config(row, data, seed, size) for seed in missing_seeds]
        return CellRuns((), size, tuple(commands), dict(zip(commands, configs, strict=True)))

    def _size(self, row: RowSpec, data: str) -> str:
        model, _ = options.parse(row.model)
        sizes = _sizes(model)
        size = self._spec.setting("size", row)
        if "size" in row.settings or (size != AUTO and sizes):
            return str(size)
        same_model = [other for other in self._spec.rows if options.parse(other.model)[0] == model]
        rows = [other for other in same_model if "size" not in other.settings]
        present = {run.spec.model.size for other in rows for run in self._matches[other.label, data]}
        return max(present, key=lambda size: sizes.index(size) if size in sizes else -1, default="")


def _sizes(model: str) -> tuple[str, ...]:
    """The sizes of a model, smallest first; none where it is not registered."""
    return tuple(registry.load("model", model).sizes) if model in registry.names("model") else ()


def _matches(run: Run, spec: TableSpec, row: RowSpec, data: str) -> bool:
    """Whether a run matches a cell in everything but size and seed."""
    return (
        _same_data(run, data)
        and _same_plugin(run, "model", row.model)
        and _same_plugin(run, "decoder", row.decoder)
        and all(_same_setting(run, data, name, spec.setting(name, row)) for name in COMPARED_SETTINGS)
    )


COMPARED_SETTINGS = tuple(
    field.name
    for field in fields(ExperimentConfig)
    if field.name not in ("model", "decoder", "data", "size", "seed", "checkpoint", "train_devices")
)
"""The settings that a run and a cell must have in common, by value; `checkpoint` is an option of the model."""


def _same_setting(run: Run, data: str, name: str, value: Any) -> bool:
    """Whether a run on this data has this value of a setting; None leaves `categories` and `max_minutes` open."""
    if name == "users":  # those requested: fewer may be there, since data may have fewer or some can't be split
        return bool(run.summary.users_asked == (default_users(data) if value == AUTO else value))
    if name == "holdout":
        return run.spec.holdout == str(Holdout.parse(value))
    if name == "categories":
        return value in (None, run.spec.categories)
    if name == "search_error":
        return run.spec.search_error == (None if value is None else options.label(*registry.make("decoder", value)))
    if name == "max_minutes":
        return value is None or run.summary.fit is None or run.spec.max_minutes == value
    return bool(getattr(run.spec, name) == value)


def _same_data(run: Run, data: str) -> bool:
    """Whether a run is on this data: as its user named it, or, without options, by the name of the dataset."""
    label, name, wanted = run.summary.data.lower(), run.spec.data.name.lower(), data.lower()
    return label == wanted or (":" not in label and ":" not in wanted and name == wanted)


def _same_plugin(run: Run, kind: Literal["model", "decoder"], text: str) -> bool:
    """Whether name and options are equal, with defaults and those of the size filled in.

    Names that are not registered are compared as they are written.
    """
    name, _ = options.parse(text)
    if name not in registry.names(kind):
        return bool(getattr(run.summary, kind) == text)
    if getattr(run.spec, kind).name != name:
        return False
    _, instance = registry.make(kind, text)
    if kind == "decoder":
        return run.spec.decoder == replace(DecoderSpec.of(name, instance), code=registry.code_hash(kind, name))
    size = run.spec.model.size
    if instance.sizes and size not in instance.sizes:
        return False
    model = replace(ModelSpec.of(name, instance, size), code=registry.code_hash(kind, name))
    return replace(run.spec.model, files={}) == model  # any version of the files


def _with_default_categories(runs: Sequence[Run]) -> list[Run]:
    """Those with the default of `mrbench run`: `generate` where the data has categories, else `none`."""
    for value in ("generate", "none"):
        matches = [run for run in runs if run.spec.categories == value]
        if matches:
            return matches
    return []


def _longest_trained(runs: Sequence[Run]) -> list[Run]:
    """Those whose training had the longest time limit; no limit is the longest."""
    limits = [math.inf if run.spec.max_minutes is None else run.spec.max_minutes for run in runs]
    return [run for run, limit in zip(runs, limits, strict=True) if limit == max(limits)]


def _conflict(row: RowSpec, runs: Sequence[Run]) -> str:
    first, second = (run.spec.as_dict() for run in runs[:2])
    differing = [key for key in first if first[key] != second[key]]
    return (
        f"two runs match the row '{row.label}': {runs[0].path} and {runs[1].path}, which differ in "
        f"{', '.join(differing)}; move one out of the run store"
    )
