"""What a table shows: rows and columns as runs, published values, the reference of the tests. As in its TOML file:

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

Keys are closed: an unknown one is refused (`load`).
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.code_space import Categories
from ..core.protocols import Constrain
from ..metrics.accuracy import RANKING_METRICS
from ..metrics.lists import CORPUS_METRICS
from ..metrics.search_error import SEARCH_METRICS
from ..store.run_spec import EXTERNAL

STATISTICS = ("users", "items", "interactions")
RESULTS = (*RANKING_METRICS, *CORPUS_METRICS, *SEARCH_METRICS)
KINDS: dict[str, tuple[str, ...]] = {
    "table": RESULTS,
    "figure": RESULTS,
    "statistics": STATISTICS,
}
"""What a file may be, and the metrics that it may show."""

TIMINGS = ("ms_per_user",)
"""What a figure may show of a run's costs: wall time of decoding, in milliseconds a user."""

FINDINGS = ("ttr", "mcnemar", "same-row", "improvement")
"""What `audit` finds about published rows that a table may repeat as footnotes."""

NOT_PRINTED = "-"
"""A published cell that the paper leaves empty."""


@dataclass(frozen=True)
class RowSpec:
    """One row: a system, and what was published of it.

    Attributes:
        label: the row's name, unlike any other of its table.
        model, decoder: `NAME:key=value,...`, as on the command line; for rankings made elsewhere the name they were
            scored under, and `external`.
        categories: as on the command line; None is the command's own default for the data.
        constrain, exclude_history: as on the command line.
        beam, size: None takes the head's.
        users: whole numbers or "all"; statistics only.
        x: the place on the x axis; figures only.
        published: data -> values as printed, one a metric of the head.
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
        """Why no run is expected on this data; '' where one is."""
        return self.absent.get(data, self.absent.get("", ""))


@dataclass(frozen=True)
class TableSpec:
    """One table or figure.

    Attributes:
        name: the file's name without `.toml`.
        title: the caption's first sentence.
        data: the column groups, as on the command line.
        metrics: the columns of each group.
        rows: the systems.
        paper: which table or figure of the paper it is; '' for one's own.
        kind: key of `KINDS`.
        reference: labels of rows; on each data set the others are tested against the first of them that has runs there.
            Empty: no tests. A file may name one as a plain string.
        size: `auto` takes the largest size present of each model on each data set.
        users: first users of the data, or None for all.
        eval_users: only runs that decoded the first so many users; None for those that decoded all.
        seeds: averaged for each user.
        beam: results a user.
        max_minutes: only models trained under this time limit; None: where several fit a cell, the longest.
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
    size: str = "auto"
    users: int | None = 5000
    eval_users: int | None = None
    seeds: tuple[int, ...] = (42,)
    beam: int = 10
    max_minutes: float | None = None
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    x_label: str = ""
    timings: tuple[str, ...] = ()

    def command(self, row: RowSpec, data: str, seed: int, size: str = "") -> str:
        """The command that fills a cell for one seed; no size leaves it to the command.

        Rankings made elsewhere need their file: `mrbench score FILE ...`, all others `mrbench run ...`.
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
        words += ["--users", str(self.users or "all")] if self.users != 5000 else []
        words += ["--eval-users", str(self.eval_users)] if self.eval_users else []
        words += ["--seed", str(seed)] if seed != 42 else []
        words += ["--max-minutes", f"{self.max_minutes:g}"] if self.max_minutes and row.decoder != EXTERNAL else []
        return shlex.join(words)
