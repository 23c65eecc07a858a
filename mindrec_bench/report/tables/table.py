"""The data of a table, apart from how it is drawn: values, intervals, published values, tests, and missing runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...experiment.config import ExperimentConfig
from ...stats.comparison import Comparison, PairedTest
from ...stats.paired_tests import ALPHA
from ..table_spec import TableSpec


@dataclass(frozen=True)
class TableCell:
    """One cell.

    Attributes:
        value: as measured, or None.
        published: as printed, or None.
        interval: bootstrap 95% interval of the value, or None.
        comparison: with the reference row, or None.
        rank: 1 for the best value of the column, 2 for the second best, else 0.
    """

    value: float | None = None
    published: str | None = None
    interval: tuple[float, float] | None = None
    comparison: Comparison | None = None
    rank: int = 0

    @property
    def difference(self) -> float | None:
        """Measured minus published."""
        return self.value - float(self.published) if self.value is not None and self.published else None

    @property
    def significant(self) -> bool:
        """Whether the value differs from the reference at 0.05 after Holm's correction."""
        return self.comparison is not None and self.comparison.p_holm <= ALPHA


@dataclass(frozen=True)
class TableRow:
    """One row: a cell for each column, and why cells are empty.

    Attributes:
        label: its name.
        cells: in the order of the table's columns.
        missing: data -> the commands that would fill its cells.
        missing_configs: what each of these commands runs; not of rankings made elsewhere.
        reasons: data -> why no run is expected.
        runs: data -> ids of the runs behind its cells.
        sizes: data -> size of the runs.
        note: a footnote.
    """

    label: str
    cells: tuple[TableCell, ...]
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missing_configs: dict[str, ExperimentConfig] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    runs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class TtrBound:
    """Why TTR can't be larger.

    Attributes:
        n_codes: distinct SID codes of the catalogue.
        full_tokens: recommended codes where every list is as long as the beam.
        tokens: label -> recommended codes.
        model_codes: label -> what a code is, for models that recommend codes of their own.
    """

    n_codes: int
    full_tokens: int
    tokens: dict[str, int]
    model_codes: dict[str, str] = field(default_factory=dict)

    def max_ttr(self, tokens: int) -> float:
        """The largest TTR that this many recommended codes can have."""
        return min(self.n_codes, tokens) / max(tokens, 1)


@dataclass(frozen=True)
class Table:
    """A whole table.

    Attributes:
        spec: what the table shows.
        columns: (data, metric) of each column.
        rows: in the order of the spec.
        users: data -> number of evaluated users.
        references: data -> label of the row that the others were tested against.
        ttr_bounds: data -> bound of TTR, where there are runs and TTR is shown.
        resamples: of the randomisation tests and the bootstrap.
        test: for all metrics but HR of one seed, Entropy and TTR.
        epochs: label -> epochs trained on each dataset, in words; only rows whose model is trained.
        under_trained: labels of rows whose training was stopped while validation still improved.
        unlike: data -> pairs of rows that are the results of unlike trainings of one model -> the reason.
        collisions: data -> how many of how many items share their semantic ID.
    """

    spec: TableSpec
    columns: tuple[tuple[str, str], ...]
    rows: tuple[TableRow, ...]
    users: dict[str, int]
    references: dict[str, str]
    ttr_bounds: dict[str, TtrBound]
    resamples: int
    test: PairedTest
    epochs: dict[str, str] = field(default_factory=dict)
    under_trained: tuple[str, ...] = ()
    unlike: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)
    collisions: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def unlike_rows(self) -> set[str]:
        """The labels of all rows in `unlike`."""
        return {label for pairs in self.unlike.values() for pair in pairs for label in pair}

    @property
    def excluding(self) -> frozenset[str]:
        """Labels of the rows whose runs never recommend items of the history."""
        with_runs = {row.label for row in self.rows if row.runs}
        rows = [row for row in self.spec.rows if row.label in with_runs]
        return frozenset(row.label for row in rows if self.spec.setting("exclude_history", row))

    @property
    def mixes_exclusion(self) -> bool:
        """Whether some rows with runs recommend items of the history and others don't: these are marked."""
        return 0 < len(self.excluding) < sum(1 for row in self.rows if row.runs)

    @property
    def has_runs(self) -> bool:
        """Whether any cell is filled by a run."""
        return any(row.runs for row in self.rows)
