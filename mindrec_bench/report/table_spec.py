"""What a table shows: its rows and columns, published values, and the reference of the tests, as in its TOML file:

    title = "My decoder on Arts"
    data = ["arts"]
    metrics = ["hr@1", "ndcg@10", "entropy", "ttr"]
    reference = "theirs"

    [[rows]]
    label = "theirs"
    model = "llada"
    decoder = "dbs-penalty"
    published.arts = ["0.0280", "0.0328", "8.738", "0.0092"]

    [[rows]]
    label = "mine"
    model = "llada"
    decoder = "my-decoder:width=3"

Unknown keys are refused (`table_spec_io`).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..data.sources import default_users
from ..experiment.config import AUTO, ExperimentConfig, flag_name, to_flags
from ..io.schema import own_fields_first, validate_keys
from ..store.run_spec import EXTERNAL, Seed

STATISTICS = ("users", "items", "interactions")
"""The counts that a table of kind `statistics` shows of datasets."""

SETTINGS = tuple(f.name for f in own_fields_first(ExperimentConfig) if f.name not in ("data", "seed", "split"))
"""The settings of runs that a table file may give, for the table or a row; data and seeds are its own keys."""

KINDS = ("table", "figure", "statistics")
"""What a file may show: metrics of runs, or counts of datasets."""

TIMINGS = ("ms_per_user",)
"""The costs of a run that a figure may show: wall time of decoding, in milliseconds per user."""

COSTS = ("states", "users_per_second")
"""The costs of a run against which a figure may draw its metrics: states asked of the model a user, and users decoded a
second."""

FINDINGS = ("ttr", "mcnemar", "same-row", "improvement")
"""The checks of `mrbench audit` whose findings a table may repeat as footnotes."""

NOT_OF_RANKINGS = (
    "model", "decoder", "size", "categories", "constrain", "exclude_history", "history", "max_minutes", "search_error",
)  # fmt: skip
"""The settings of a run that rankings made elsewhere do not have."""

NOT_REPORTED = "-"
"""A published cell that the paper leaves empty."""


Settings = Mapping[str, Any]
"""Fields of `ExperimentConfig` -> values; those that are absent have their defaults."""


@dataclass(frozen=True)
class RowSpec:
    """One row: a system, and what was published of it.

    Attributes:
        label: the row's name, unique in its table.
        settings: of its runs, as on the command line: `model`, `decoder`, and what differs from the table's. For
            rankings made elsewhere `model` is the name they were scored under, and `decoder` is `external`.
        users: a whole number or "all"; tables of kind `statistics` only.
        x: position on the x axis; figures without `costs` only.
        line: which line the row is a point of; figures with `costs` only.
        published: data -> values as printed, one for each metric of the table.
        absent: data ("" for all) -> why there is no run, shown in place of the command that would make one. A row with
            a reason for all data may name a model or decoder that is not registered.
        note: a footnote of the row.
        cite: the name of a row of `published_rows`, whose values are `published`; a row that names no model shows only
            these.
    """

    label: str
    settings: Settings = field(default_factory=dict)
    users: int | str | None = None
    x: float | None = None
    line: str = ""
    published: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    cite: str = ""

    @property
    def model(self) -> str:
        """`NAME:key=value,...`; '' in tables of kind `statistics`."""
        return str(self.settings.get("model", ""))

    @property
    def decoder(self) -> str:
        """`NAME:key=value,...`; '' in tables of kind `statistics`."""
        return str(self.settings.get("decoder", ""))

    def reason(self, data: str) -> str:
        """Why no run is expected on this data; '' where one is expected."""
        return self.absent.get(data, self.absent.get("", ""))


@dataclass(frozen=True)
class TableSpec:
    """One table or figure.

    Attributes:
        name: the file's name without `.toml`.
        title: the first sentence of the caption.
        data: the datasets, as on the command line; each is a group of columns.
        metrics: the columns of each group, by the names of `metrics.names.canonical_metric`, or `STATISTICS`.
        rows: the systems.
        paper: which table or figure of the paper it is; '' where it is not from the paper.
        kind: one of `KINDS`.
        reference: labels of rows; on each dataset, the other rows are tested against the first of these that has runs
            there. No labels mean no tests. A file may give a single label as a plain string.
        settings: of the runs of all rows. Size `auto` takes the largest one of each model that has runs on the
            dataset; a `max_minutes` of None takes the longest of several that match a cell.
        seeds: the runs of these seeds are averaged for each user.
        notes: footnotes.
        findings: of `FINDINGS`, added as footnotes; `mcnemar` and `improvement` are about the first reference.
        x_label: name of the x axis; figures only.
        timings: of `TIMINGS`, drawn in panels of their own; figures only.
        costs: of `COSTS`: each metric is drawn against each of them, with the lines that rows name; figures only.
    """

    name: str
    title: str
    data: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[RowSpec, ...]
    paper: str = ""
    kind: str = "table"
    reference: tuple[str, ...] = ()
    settings: Settings = field(default_factory=dict)
    seeds: tuple[Seed, ...] = (ExperimentConfig.seed,)
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    x_label: str = ""
    timings: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()

    def setting(self, name: str, row: RowSpec | None = None) -> Any:
        """A setting of the runs of a row (None: of those that set none of their own), as `ExperimentConfig` has it."""
        of_row = row.settings if row else {}
        return of_row.get(name, self.settings.get(name, getattr(ExperimentConfig, name)))

    def users_of(self, data: str) -> int | None:
        """How many users make up a dataset (the first ones), or None for all."""
        users = self.setting("users")
        return default_users(data) if users == AUTO else users

    def command(self, row: RowSpec, data: str, seed: int, size: str = "") -> str:
        """The command that fills a cell for one seed; `size` '' leaves the size to the command.

        It is `mrbench run ...`, or `mrbench score FILE ...` for rankings made elsewhere, whose file only the user has.
        """
        config = self.config(row, data, seed, size)
        if row.decoder != EXTERNAL:
            return config.command()
        flags = to_flags(config, always=("data",), hidden=NOT_OF_RANKINGS)
        return shlex.join(["mrbench", "score", "FILE", "--name", row.model, *flags])

    def config(self, row: RowSpec, data: str, seed: int, size: str = "") -> ExperimentConfig:
        """The run that fills a cell for one seed."""
        return ExperimentConfig(**{**self.settings, **row.settings, "data": data, "seed": seed, "size": size or AUTO})


def override(
    spec: TableSpec,
    *,
    seeds: tuple[int, ...] | None = None,
    size: str | None = None,
    users: int | Literal["all", "auto"] | None = None,
    max_minutes: float | None = None,
) -> TableSpec:
    """The specification with some of its values replaced; None keeps a value.

    Raises:
        UsageError: `users` is below 1, or a seed is out of range.
    """
    settings: dict[str, Any] = {"size": size, "max_minutes": max_minutes}
    settings = {name: value for name, value in settings.items() if value}
    if users is not None:
        settings |= validate_keys({"users": users}, ExperimentConfig, "", partial=True, label=flag_name)
    if seeds:
        validate_keys({"seeds": seeds}, TableSpec, "", partial=True, label=flag_name)
    return replace(spec, settings={**spec.settings, **settings}, seeds=seeds or spec.seeds)
