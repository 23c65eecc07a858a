"""A table's data, apart from how it is drawn: values, intervals, published values, tests, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...metrics.search_error import SEARCH_METRICS
from ...stats.comparison import Comparison, Test
from ...stats.paired_tests import ALPHA
from ..table_spec import TableSpec

DOWN = ("duplicates", *(metric for metric in SEARCH_METRICS if metric.startswith("lost")))
NEITHER = ("popularity", "ttr_bound", "users", "items", "interactions")
"""Metrics of which less is better, and those that are neither; of all others more is better."""


@dataclass(frozen=True)
class Cell:
    """One value.

    Attributes:
        value: measured, or None.
        published: as printed, or None.
        interval: bootstrap 95% interval of the value, or None.
        comparison: with the reference row, or None.
        place: 1 for the best of the column, 2 for the second, else 0.
    """

    value: float | None = None
    published: str | None = None
    interval: tuple[float, float] | None = None
    comparison: Comparison | None = None
    place: int = 0

    @property
    def difference(self) -> float | None:
        """Measured minus published."""
        return self.value - float(self.published) if self.value is not None and self.published else None

    @property
    def significant(self) -> bool:
        """Differs from the reference at 0.05 after Holm."""
        return self.comparison is not None and self.comparison.p_holm <= ALPHA


@dataclass(frozen=True)
class Row:
    """One row: a cell for each column, and why cells are empty.

    Attributes:
        label: its name.
        cells: in the order of the table's columns.
        missing: data -> the commands that would fill its cells.
        reasons: data -> why no run is expected.
        runs: data -> ids of the runs behind it.
        sizes: data -> size of the runs.
        note: a footnote.
    """

    label: str
    cells: tuple[Cell, ...]
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    runs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class TtrBound:
    """Why TTR can't be larger.

    Attributes:
        codes: distinct SID codes of the catalogue.
        full: tokens where every list is as long as the beam.
        tokens: label -> recommended codes.
        own: label -> what a code is, for those that recommend codes of their own.
    """

    codes: int
    full: int
    tokens: dict[str, int]
    own: dict[str, str] = field(default_factory=dict)

    def of(self, tokens: int) -> float:
        """The largest TTR of so many tokens."""
        return min(self.codes, tokens) / max(tokens, 1)


@dataclass(frozen=True)
class Table:
    """A whole table.

    Attributes:
        spec: what was asked.
        columns: (data, metric) of each column.
        rows: in the order of the spec.
        users: data -> evaluated users.
        references: data -> label of the row that the others were tested against there.
        bounds: data -> how many codes the TTR there is made of, where there are runs and TTR is shown.
        resamples: of the randomisation tests and the bootstrap.
        test: for all but HR of one seed, Entropy and TTR.
        epochs: label -> the epochs of the row's training on each data set, in words; of rows that are trained.
        under_trained: labels of rows whose training was cut short while validation still improved.
    """

    spec: TableSpec
    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    users: dict[str, int]
    references: dict[str, str]
    bounds: dict[str, TtrBound]
    resamples: int
    test: Test
    epochs: dict[str, str] = field(default_factory=dict)
    under_trained: tuple[str, ...] = ()
