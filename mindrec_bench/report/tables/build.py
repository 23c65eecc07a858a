"""Fill a table's specification with stored runs: find them, test them, rank them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...stats.comparison import Comparison, System, Test, compare, intervals
from ...stats.diversity_tests import DIVERSITY, diversity
from ...stats.resampling import RESAMPLES
from ..audit.published import MEASURED, Measure
from ..table_spec import NOT_PRINTED, RowSpec, TableSpec
from .match_runs import CellRuns, RunFinder, Summary
from .run_data import load_systems
from .table import DOWN, NEITHER, Cell, Row, Table, TtrBound


def build_table(
    spec: TableSpec,
    runs: Iterable[Summary],
    *,
    with_intervals: bool = False,
    test: Test = "randomisation",
    resamples: int = RESAMPLES,
    seed: int = 0,
    measure: Measure | None = None,
) -> Table:
    """Fill a table with stored runs.

    Args:
        spec: what it shows; seeds, size and users stand in it.
        runs: summaries of finished runs, as `runs.find_runs` yields them.
        with_intervals: compute bootstrap 95% intervals of the values.
        test: for all but HR of one seed, Entropy and TTR.
        resamples: of the randomisation tests and the bootstrap.
        seed: for both.
        measure: counts a data set's statistics, for tables of that kind; None takes the known counts.

    Raises:
        UsageError: two runs fit one cell, or the runs of one column are about different users.
        DataError: a file of a run is missing or can't be read.
    """
    columns = tuple((data, metric) for data in spec.data for metric in spec.metrics)
    if spec.kind == "statistics":
        return _statistics(spec, columns, measure or (lambda data, users: MEASURED[data, users]))
    finder = RunFinder(spec, runs)
    cells = {(row.label, data): finder.cell(row, data) for row in spec.rows for data in spec.data}
    groups = [_Group.of(spec, data, cells, with_intervals, test, resamples, seed) for data in spec.data]
    places = [place for group in groups for place in (_places(group.values(metric), metric) for metric in spec.metrics)]
    rows = []
    for i, row in enumerate(spec.rows):
        built = [cell for group in groups for cell in group.cells(row)]
        ranked = [replace(cell, place=place[i]) for cell, place in zip(built, places, strict=True)]
        rows.append(_row(row, tuple(ranked), {data: cells[row.label, data] for data in spec.data}))
    cut = [r.label for r in spec.rows if any(_cut(run) for d in spec.data for run in cells[r.label, d].runs)]
    epochs = {row.label: _epochs({data: cells[row.label, data].runs for data in spec.data}) for row in spec.rows}
    return Table(
        spec,
        columns,
        tuple(rows),
        users={group.data: group.n_users for group in groups if group.systems},
        references={group.data: group.reference for group in groups if group.reference},
        bounds={group.data: bound for group in groups if "ttr" in spec.metrics and (bound := group.bound())},
        resamples=resamples,
        test=test,
        epochs={label: words for label, words in epochs.items() if words},
        under_trained=tuple(cut),
    )


def system_value(system: System, metric: str) -> float | None:
    """The mean over users or the statistic of all lists; None for a metric that a system does not hold."""
    if metric in system.values:
        return float(system.values[metric].mean())
    if metric in DIVERSITY and system.counts is not None:
        return float(diversity(system.counts)[DIVERSITY.index(metric)])
    return None


def _cut(run: Summary) -> bool:
    return bool(run.get("fit") and run["fit"]["under_trained"])


def _epochs(runs: Mapping[str, Sequence[Summary]]) -> str:
    """`18.0 on arts (at most 40 minutes)`, the mean of the seeds, for each data set with trained runs."""
    words = []
    for data, found in runs.items():
        fitted = [run for run in found if run.get("fit")]
        if fitted:
            mean = sum(run["fit"]["epochs"] for run in fitted) / len(fitted)
            limits = sorted({run["max_minutes"] for run in fitted if run["max_minutes"] is not None})
            limit = f" (at most {' and '.join(f'{minutes:g}' for minutes in limits)} minutes)" if limits else ""
            words.append(f"{mean:.1f} on {data}{limit}")
    return ", ".join(words)


@dataclass(frozen=True, eq=False)
class _Group:
    """The columns of one data set."""

    spec: TableSpec
    data: str
    systems: dict[str, System]
    summaries: dict[str, tuple[Summary, ...]]
    reference: str | None
    comparisons: dict[str, dict[str, Comparison]]
    intervals: dict[str, dict[str, tuple[float, float]]]

    @classmethod
    def of(
        cls,
        spec: TableSpec,
        data: str,
        cells: dict[tuple[str, str], CellRuns],
        with_intervals: bool,
        test: Test,
        resamples: int,
        seed: int,
    ) -> _Group:
        found = {row.label: cells[row.label, data].runs for row in spec.rows if cells[row.label, data].runs}
        lists = any(metric in DIVERSITY for metric in spec.metrics)
        loaded = load_systems(list(found.items()), lists=lists) if found else []
        systems = {system.label: system for system in loaded}
        comparisons, spans = {}, {}
        reference = next((label for label in spec.reference if label in systems), None)
        if reference:
            others = [system for label, system in systems.items() if label != reference]
            compared = compare(systems[reference], others, spec.metrics, test=test, resamples=resamples, seed=seed)
            comparisons = {other.label: row for other, row in zip(others, compared, strict=True)}
        if with_intervals:
            spans = dict(zip(systems, intervals(loaded, spec.metrics, resamples=resamples, seed=seed), strict=True))
        return cls(spec, data, systems, found, reference, comparisons, spans)

    @property
    def n_users(self) -> int:
        return len(next(iter(self.systems.values())).users)

    def bound(self) -> TtrBound | None:
        """What holds for the systems whose codes are those of the data; None where there is none such."""
        slots = {label: runs[0]["slots"] for label, runs in self.summaries.items()}
        own = {label: of_one["code"] for label, of_one in slots.items() if "code" in of_one}
        ours = next((of_one for label, of_one in slots.items() if label not in own), None)
        if ours is None:
            return None
        full = self.n_users * len(self.spec.seeds) * self.spec.beam * ours["sid"]
        tokens = {
            label: int(system.counts.sum())
            for label, system in self.systems.items()
            if system.counts is not None and label not in own
        }
        return TtrBound(ours["sid_codes"], full, tokens, own)

    def value(self, label: str, metric: str) -> float | None:
        """The mean over users, the statistic of all lists, or, for a run's other metrics, the mean over its seeds.

        None where a run lacks the metric: search error is known of models that score items only.
        """
        if label not in self.systems:
            return None
        own = system_value(self.systems[label], metric)
        if own is not None:
            return own
        values = [(run["metrics"] | run.get("search_error", {})).get(metric) for run in self.summaries[label]]
        return None if None in values else float(np.mean(values))

    def values(self, metric: str) -> list[float | None]:
        """One column, in the order of the rows."""
        return [self.value(row.label, metric) for row in self.spec.rows]

    def cells(self, row: RowSpec) -> list[Cell]:
        """The cells of one row, places aside."""
        printed = row.published.get(self.data, (NOT_PRINTED,) * len(self.spec.metrics))
        return [
            Cell(
                value=self.value(row.label, metric),
                published=None if text == NOT_PRINTED else text,
                interval=self.intervals.get(row.label, {}).get(metric),
                comparison=self.comparisons.get(row.label, {}).get(metric),
            )
            for metric, text in zip(self.spec.metrics, printed, strict=True)
        ]


def _places(values: Sequence[float | None], metric: str) -> list[int]:
    """1 for the best, 2 for the second best value, ties together, 0 for the rest or where nothing competes."""
    if metric in NEITHER or sum(value is not None for value in values) < 2:
        return [0] * len(values)
    sign = -1 if metric in DOWN else 1
    rounded = [None if value is None else round(sign * value, 9) for value in values]
    ranked = sorted({value for value in rounded if value is not None}, reverse=True)[:2]
    return [ranked.index(value) + 1 if value in ranked else 0 for value in rounded]


def _row(row: RowSpec, cells: tuple[Cell, ...], found: dict[str, CellRuns]) -> Row:
    empty = [data for data, cell in found.items() if not cell.runs]
    return Row(
        label=row.label,
        cells=cells,
        missing={data: found[data].missing for data in empty if found[data].missing},
        reasons={data: row.reason(data) for data in empty if row.reason(data)},
        runs={data: tuple(run["run"] for run in cell.runs) for data, cell in found.items() if cell.runs},
        sizes={data: cell.size for data, cell in found.items() if cell.runs and cell.size},
        note=row.note,
    )


def _statistics(spec: TableSpec, columns: tuple[tuple[str, str], ...], measure: Measure) -> Table:
    rows: list[Row] = []
    for row in spec.rows:
        cells: list[Cell] = []
        for data in spec.data:
            counted: Any = measure(data, row.users or "all")
            printed = row.published.get(data, (NOT_PRINTED,) * len(spec.metrics))
            cells += [
                Cell(value=count, published=None if text == NOT_PRINTED else text)
                for count, text in zip(counted, printed, strict=True)
            ]
        rows.append(Row(row.label, tuple(cells), note=row.note))
    return Table(spec, columns, tuple(rows), {}, {}, {}, 0, "randomisation")
