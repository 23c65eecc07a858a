"""Figures from stored runs: their data, and the files PNG, SVG, PDF and CSV (`mrbench figure`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...errors import UsageError
from ...plugins import options
from ...stats.resampling import RESAMPLES
from ..table_spec import TableSpec
from ..tables.build import build_table
from ..tables.caption import empty, setting
from ..tables.match_runs import Summary
from ..tables.table import Table


@dataclass(frozen=True)
class Point:
    """One point.

    Attributes:
        label: its row in the figure's file.
        x: place on the x axis.
        value: None where there is no run, or the run does not have it.
        low, high: ends of the bootstrap 95% interval over users; None where there is none.
        bound: what the value can't exceed; TTR only.
        runs: ids of the runs behind it.
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
    """One line: the points of a metric, or of a timing, on one data set, by rising x."""

    data: str
    metric: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Figure:
    """What is drawn.

    Attributes:
        spec: the figure's file.
        caption: what was measured, on whom, and how.
        series: data by data, metrics before timings.
        missing: a line for each point without a run: the commands that would make it, or why there is none.
    """

    spec: TableSpec
    caption: str
    series: tuple[Series, ...]
    missing: tuple[str, ...]


def build_figure(spec: TableSpec, runs: Iterable[Summary], *, resamples: int = RESAMPLES, seed: int = 0) -> Figure:
    """Fill a figure with stored runs.

    Args:
        spec: its file, of the kind `figure`.
        runs: summaries of finished runs, as `runs.find_runs` yields them.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        UsageError: it is a table, two runs fit one point, or the runs are about different users.
        DataError: a file of a run is missing or can't be read.
    """
    if spec.kind != "figure":
        raise UsageError(f"'{spec.name}' is no figure but a table; print it with mrbench table {spec.name}")
    stored = {run["run"]: run for run in runs}
    rows = tuple(sorted(spec.rows, key=lambda row: row.x or 0.0))
    spec = replace(spec, rows=rows)
    untested = replace(spec, reference=())
    table = build_table(untested, stored.values(), with_intervals=True, resamples=resamples, seed=seed)
    series = [_metric(table, column) for column in range(len(table.columns))]
    series += [_timing(table, data, timing, stored) for data in spec.data for timing in spec.timings]
    series.sort(key=lambda line: spec.data.index(line.data))
    used = [stored[run] for row in table.rows for found in row.runs.values() for run in found]
    return Figure(spec, _caption(table, used), tuple(series), tuple(empty(table)))


def _metric(table: Table, column: int) -> Series:
    data, metric = table.columns[column]
    points = []
    for row, place in zip(table.rows, table.spec.rows, strict=True):
        cell = row.cells[column]
        low, high = cell.interval or (None, None)
        bound = None
        if metric == "ttr" and data in table.bounds and row.label in table.bounds[data].tokens:
            bound = table.bounds[data].of(table.bounds[data].tokens[row.label])
        points.append(Point(row.label, float(place.x or 0.0), cell.value, low, high, bound, row.runs.get(data, ())))
    return Series(data, metric, tuple(points))


def _timing(table: Table, data: str, timing: str, stored: dict[str, Summary]) -> Series:
    """Mean over seeds; one measurement of all users has no interval over users."""
    points = []
    for row, place in zip(table.rows, table.spec.rows, strict=True):
        ids = row.runs.get(data, ())
        timings = [stored[run]["timings"] for run in ids]
        known = bool(timings) and all(timings)
        value = sum(1000 / found["users_per_second"] for found in timings) / len(timings) if known else None
        points.append(Point(row.label, float(place.x or 0.0), value, runs=ids))
    return Series(data, timing, tuple(points))


def _caption(table: Table, used: list[Summary]) -> str:
    spec = table.spec
    sentences = [setting(table)] if used else []
    systems = sorted({f"{options.parse(row.model)[0]} x {options.parse(row.decoder)[0]}" for row in spec.rows})
    categories = sorted({run["categories"] for run in used})
    sentences.append(f"{', '.join(systems)}{', categories ' if categories else ''}{', '.join(categories)}.")
    ttr = " (TTR has none; dashed: what it can't exceed)" if "ttr" in spec.metrics else ""
    sentences.append(f"Bars: bootstrap 95% intervals over users{ttr}.")
    if spec.timings:
        devices = {(run["environment"]["device_name"], run["timings"]["batch_size"]) for run in used if run["timings"]}
        where = "; ".join(f"{name}, {size} users a batch" for name, size in sorted(devices))
        sentences.append(f"Time: one pass over the users, training left out{f' ({where})' if where else ''}.")
    lacking = [f"{row.label} on {data}" for row in table.rows for data in spec.data if data not in row.runs]
    if lacking and used:
        sentences.append(f"No run yet: {', '.join(lacking)}.")
    if table.epochs:
        trained = sorted(set(table.epochs.values()))
        sentences.append(f"Epochs trained: {'; '.join(trained)}.")
    if table.under_trained:
        everyone = len(table.under_trained) == sum(1 for row in table.rows if row.runs)
        names = "all points" if everyone else ", ".join(table.under_trained)
        sentences.append(f"Under-trained (validation still improved when time was up): {names}.")
    return " ".join([*sentences, *spec.notes])
