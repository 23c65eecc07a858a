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

from ..core.code_space import Categories
from ..core.protocols import Constrain
from ..errors import UsageError
from ..experiment.config import AUTO, DEFAULT_USERS, ExperimentConfig
from ..metrics.names import CORPUS_METRICS, RANKING_METRICS, SEARCH_METRICS
from ..store.run_spec import EXTERNAL

STATISTICS = ("users", "items", "interactions")
"""The counts that a table of kind `statistics` shows of data sets."""

RUN_METRICS = (*RANKING_METRICS, *CORPUS_METRICS, *SEARCH_METRICS)
METRICS_BY_KIND: dict[str, tuple[str, ...]] = {
    "table": RUN_METRICS,
    "figure": RUN_METRICS,
    "statistics": STATISTICS,
}
"""Kind of file -> the metrics that it may show."""

TIMINGS = ("ms_per_user",)
"""The costs of a run that a figure may show: wall time of decoding, in milliseconds per user."""

FINDINGS = ("ttr", "mcnemar", "same-row", "improvement")
"""The checks of `mrbench audit` whose findings a table may repeat as footnotes."""

NOT_REPORTED = "-"
"""A published cell that the paper leaves empty."""


@dataclass(frozen=True)
class RowSpec:
    """One row: a system, and what was published of it.

    Attributes:
        label: the row's name, unique in its table.
        model, decoder: `NAME:key=value,...`, as on the command line; for rankings made elsewhere, the name they were
            scored under, and `external`.
        categories: as on the command line; None takes the default of `mrbench run` for the data.
        constrain, exclude_history: as on the command line.
        beam, size: None takes the table's.
        users: a whole number or "all"; tables of kind `statistics` only.
        x: position on the x axis; figures only.
        published: data -> values as printed, one for each metric of the table.
        absent: data ("" for all) -> why there is no run, shown in place of the command that would make one. A row with
            a reason for all data may name a model or decoder that is not registered.
        note: a footnote of the row.
    """

    label: str
    model: str = ""
    decoder: str = ""
    categories: Categories | None = None
    constrain: Constrain = "slots"
    exclude_history: bool = False
    beam: int | None = None
    size: str | None = None
    users: int | str | None = None
    x: float | None = None
    published: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    def reason(self, data: str) -> str:
        """Why no run is expected on this data; '' where one is expected."""
        return self.absent.get(data, self.absent.get("", ""))


@dataclass(frozen=True)
class TableSpec:
    """One table or figure.

    Attributes:
        name: the file's name without `.toml`.
        title: the first sentence of the caption.
        data: the data sets, as on the command line; each is a group of columns.
        metrics: the columns of each group.
        rows: the systems.
        paper: which table or figure of the paper it is; '' where it is not from the paper.
        kind: a key of `METRICS_BY_KIND`.
        reference: labels of rows; on each data set, the other rows are tested against the first of these that has runs
            there. No labels mean no tests. A file may give a single label as a plain string.
        size: size of the models; `auto` takes the largest one of each model that has runs on the data set.
        users: how many users make up the data (the first ones), or None for all.
        eval_users: takes runs that decoded only the first `eval_users` users; None takes those that decoded all.
        seeds: the runs of these seeds are averaged for each user.
        beam: results per user.
        max_minutes: takes models trained under this time limit; None takes the longest of several that match a cell.
        notes: footnotes.
        findings: of `FINDINGS`, added as footnotes; `mcnemar` and `improvement` are about the first reference.
        x_label: name of the x axis; figures only.
        timings: of `TIMINGS`, drawn in panels of their own; figures only.
    """

    name: str
    title: str
    data: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[RowSpec, ...]
    paper: str = ""
    kind: str = "table"
    reference: tuple[str, ...] = ()
    size: str = AUTO
    users: int | None = DEFAULT_USERS
    eval_users: int | None = None
    seeds: tuple[int, ...] = (42,)
    beam: int = 10
    max_minutes: float | None = None
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    x_label: str = ""
    timings: tuple[str, ...] = ()

    def command(self, row: RowSpec, data: str, seed: int, size: str = "") -> str:
        """The command that fills a cell for one seed; `size` '' leaves the size to the command.

        It is `mrbench run ...`, or `mrbench score FILE ...` for rankings made elsewhere, whose file only the user has.
        """
        if row.decoder == EXTERNAL:
            words = ["mrbench", "score", "FILE", "--name", row.model, "--data", data]
        else:
            words = ["mrbench", "run", "--model", row.model, "--decoder", row.decoder, "--data", data]
            words += ["--size", size] if size else []
            words += ["--categories", row.categories] if row.categories else []
            words += ["--constrain", row.constrain] if row.constrain != "slots" else []
            words += ["--exclude-history"] if row.exclude_history else []
        beam = row.beam or self.beam
        words += ["--beam", str(beam)] if beam != 10 else []
        words += ["--users", str(self.users or "all")] if self.users != DEFAULT_USERS else []
        words += ["--eval-users", str(self.eval_users)] if self.eval_users else []
        words += ["--seed", str(seed)] if seed != 42 else []
        words += ["--max-minutes", f"{self.max_minutes:g}"] if self.max_minutes and row.decoder != EXTERNAL else []
        return shlex.join(words)

    def config(self, row: RowSpec, data: str, seed: int, size: str = "") -> ExperimentConfig:
        """The run that fills a cell for one seed, as `command` says it; not for rankings made elsewhere."""
        return ExperimentConfig(
            model=row.model,
            decoder=row.decoder,
            data=data,
            size=size or AUTO,
            categories=row.categories,
            constrain=row.constrain,
            beam=row.beam or self.beam,
            users=self.users,
            eval_users=self.eval_users,
            seed=seed,
            exclude_history=row.exclude_history,
            max_minutes=self.max_minutes,
        )


def override(
    spec: TableSpec,
    *,
    seeds: tuple[int, ...] | None = None,
    size: str | None = None,
    users: int | Literal["all"] | None = None,
    max_minutes: float | None = None,
) -> TableSpec:
    """The specification with some of its values replaced; None keeps a value.

    Raises:
        UsageError: `users` is below 1.
    """
    changes: dict[str, Any] = {"seeds": seeds, "size": size, "max_minutes": max_minutes}
    changes = {name: value for name, value in changes.items() if value}
    if users is not None:
        if users != "all" and users < 1:
            raise UsageError(f"--users is {users}; it must be at least 1, or all")
        changes["users"] = None if users == "all" else users
    return replace(spec, **changes)
