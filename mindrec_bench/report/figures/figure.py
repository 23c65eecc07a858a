"""The data of a figure, from stored runs (`mrbench figure`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ...errors import UsageError
from ...plugins import options
from ...stats.resampling import RESAMPLES
from ...store.runs import Run
from ..table_spec import TableSpec
from ..tables.build import build_table
from ..tables.caption import quoted, settings_sentence
from ..tables.footnotes import missing_run_lines, unlike_notes
from ..tables.table import Table


@dataclass(frozen=True)
class Point:
    """One point.

    Attributes:
        label: of its row in the figure's file.
        x: position on the x axis.
        value: None where there is no run, or the run does not have the metric.
        low, high: ends of the bootstrap 95% interval over users and several seeds; None where there is none.
        bound: what the value can't exceed; TTR only.
        runs: ids of the runs behind the value.
    """

    label: str
    x: float
    value: float | None
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """One line: the points of a metric or a timing on one dataset, by rising x.

    Attributes:
        data: the dataset.
        metric: the metric or the timing.
        points: by rising x; with `cost` only those that have a run that knows its cost.
        cost: what x is, of `table_spec.COSTS`; '' where the rows say what it is.
        line: name of the line, where x is a cost.
    """

    data: str
    metric: str
    points: tuple[Point, ...]
    cost: str = ""
    line: str = ""


@dataclass(frozen=True)
class Figure:
    """What is drawn.

    Attributes:
        spec: what the figure shows.
        caption: what was measured on which users, and how.
        series: by dataset, metrics before timings.
        missing: a line for each point without a run: the commands that would make it, or why there is none.
    """

    spec: TableSpec
    caption: str
    series: tuple[Series, ...]
    missing: tuple[str, ...]


def build_figure(spec: TableSpec, runs: Iterable[Run], *, resamples: int = RESAMPLES, seed: int = 0) -> Figure:
    """Fill a figure's specification with stored runs.

    Args:
        spec: what it shows, of kind `figure`.
        runs: finished runs, as yielded by `store.runs.find_runs`.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        UsageError: the specification is that of a table, two runs match one point, or the runs have different users.
        DataError: a file of a run is missing or can't be read.
    """
    if spec.kind != "figure":
        raise UsageError(f"'{spec.name}' is a table and not a figure; print it with mrbench table {spec.name}")
    by_id = {run.id: run for run in runs}
    rows = tuple(sorted(spec.rows, key=lambda row: row.x or 0.0))
    spec = replace(spec, rows=rows)
    untested = replace(spec, reference=())
    table = build_table(untested, by_id.values(), with_intervals=True, resamples=resamples, seed=seed)
    if spec.costs:
        series = [line for column in range(len(table.columns)) for line in _cost_series(table, column, by_id)]
    else:
        series = [_metric_series(table, column) for column in range(len(table.columns))]
    series += [_timing_series(table, data, timing, by_id) for data in spec.data for timing in spec.timings]
    series.sort(key=lambda line: spec.data.index(line.data))
    shown = [by_id[run] for row in table.rows for ids in row.runs.values() for run in ids]
    return Figure(spec, _caption(table, shown), tuple(series), tuple(missing_run_lines(table)))


def _metric_series(table: Table, column: int) -> Series:
    data, metric = table.columns[column]
    bound = table.ttr_bounds.get(data) if metric == "ttr" else None
    points = []
    for row, row_spec in zip(table.rows, table.spec.rows, strict=True):
        cell = row.cells[column]
        low, high = cell.interval or (None, None)
        max_ttr = bound.max_ttr(bound.tokens[row.label]) if bound and row.label in bound.tokens else None
        points.append(
            Point(row.label, float(row_spec.x or 0.0), cell.value, low, high, max_ttr, row.runs.get(data, ()))
        )
    return Series(data, metric, tuple(points))


def _cost_series(table: Table, column: int, by_id: Mapping[str, Run]) -> list[Series]:
    """The lines of a metric against each cost, averaged over seeds."""
    data, metric = table.columns[column]
    of_rows = {row.label: row.line for row in table.spec.rows}
    points = _metric_series(table, column).points
    series = []
    for cost in table.spec.costs:
        placed = []
        for point in points:
            known = [_cost(by_id[run], cost) for run in point.runs]
            values = [value for value in known if value is not None]
            if values and len(values) == len(known) and point.value is not None:
                placed.append(replace(point, x=sum(values) / len(values)))
        placed.sort(key=lambda point: point.x)
        for line in dict.fromkeys(of_rows.values()):
            of_line = tuple(point for point in placed if of_rows[point.label] == line)
            series.append(Series(data, metric, of_line, cost, line))
    return series


def _cost(run: Run, cost: str) -> float | None:
    """What decoding cost; None where it is not known."""
    timings = run.summary.timings
    if timings is None:
        return None
    if cost == "users_per_second":
        return timings.users_per_second
    return None if timings.states is None else timings.states / run.spec.evaluated_users


def _timing_series(table: Table, data: str, timing: str, by_id: Mapping[str, Run]) -> Series:
    """The mean over seeds; a measurement of all users together has no interval over users."""
    points = []
    for row, row_spec in zip(table.rows, table.spec.rows, strict=True):
        ids = row.runs.get(data, ())
        timings = [of_run for run in ids if (of_run := by_id[run].summary.timings)]
        known = bool(timings) and len(timings) == len(ids)
        value = sum(1000 / of_run.users_per_second for of_run in timings) / len(timings) if known else None
        points.append(Point(row.label, float(row_spec.x or 0.0), value, runs=ids))
    return Series(data, timing, tuple(points))


def _caption(table: Table, runs: Sequence[Run]) -> str:
    spec = table.spec
    sentences = [settings_sentence(table)] if runs else []
    systems = sorted({f"{options.parse(row.model)[0]} x {options.parse(row.decoder)[0]}" for row in spec.rows})
    categories = sorted({run.spec.categories for run in runs})
    sentences.append(f"{', '.join(systems)}{', categories ' if categories else ''}{', '.join(categories)}.")
    ttr = " (TTR has none; dashed: what it can't exceed)" if "ttr" in spec.metrics else ""
    over = "users and seeds" if len(spec.seeds) > 1 else "users"
    sentences.append(f"Bars: bootstrap 95% intervals over {over}{ttr}.")
    if table.mixes_exclusion:
        labels = quoted(row.label for row in table.rows if row.label in table.excluding)
        sentences.append(f"History excluded: {labels}; not of the others.")
    if spec.timings or "users_per_second" in spec.costs:
        summaries = [run.summary for run in runs]
        devices = {(s.environment.device_name, s.timings.batch_size) for s in summaries if s.environment and s.timings}
        listed = "; ".join(f"{name}, {size} users a batch" for name, size in sorted(devices))
        sentences.append(f"Time: one pass over the users, training left out{f' ({listed})' if listed else ''}.")
    lacking = [f"'{row.label}' on {data}" for row in table.rows for data in spec.data if data not in row.runs]
    if lacking and runs:
        sentences.append(f"No run yet: {', '.join(lacking)}.")
    if table.epochs:
        sentences.append(f"Epochs trained: {'; '.join(sorted(set(table.epochs.values())))}.")
    if table.under_trained:
        all_rows = len(table.under_trained) == sum(1 for row in table.rows if row.runs)
        labels = "all points" if all_rows else quoted(table.under_trained)
        sentences.append(f"Under-trained (validation still improved when time was up): {labels}.")
    sentences += unlike_notes(table)
    return " ".join([*sentences, *spec.notes])
