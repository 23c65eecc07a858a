"""Fill a table's specification with stored runs: match them, test them, rank their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ...core.code_space import Int
from ...stats.comparison import PairedTest
from ...stats.resampling import RESAMPLES
from ...store.runs import Run
from ..audit.published_tables import CountStatistics, known_statistics
from ..metric_format import LOWER_IS_BETTER, UNDIRECTED
from ..table_spec import RowSpec, TableSpec
from .dataset_columns import DatasetColumns, published_values
from .match_runs import CellRuns, RunMatcher
from .table import Table, TableCell, TableRow


def build_table(
    spec: TableSpec,
    runs: Iterable[Run],
    *,
    with_intervals: bool = False,
    test: PairedTest = "randomisation",
    resamples: int = RESAMPLES,
    seed: int = 0,
    members: Mapping[str, Int] | None = None,
    count_statistics: CountStatistics = known_statistics,
) -> Table:
    """Fill a table with stored runs.

    Args:
        spec: what it shows, with seeds, size and users.
        runs: finished runs, as yielded by `store.runs.find_runs`.
        with_intervals: compute bootstrap 95% intervals of the values.
        test: for all metrics but HR of one seed, Entropy and TTR.
        resamples: of the randomisation tests and the bootstrap.
        seed: of both.
        members: data -> ids of the users that count; None for all. What has no value per user is left out then, but
            for Entropy and TTR, and a run may have fewer users.
        count_statistics: counts the users, items and interactions of a dataset, for tables of kind `statistics`.

    Raises:
        UsageError: two runs match one cell, or the runs of one column have different users.
        DataError: a file of a run is missing or can't be read.
    """
    if spec.kind == "statistics":
        return _build_statistics(spec, count_statistics)
    matcher = RunMatcher(spec, runs)
    cell_runs = {(row.label, data): matcher.match(row, data) for row in spec.rows for data in spec.data}
    groups = [
        DatasetColumns.load(
            spec,
            data,
            {row.label: cell_runs[row.label, data].runs for row in spec.rows},
            with_intervals=with_intervals,
            test=test,
            resamples=resamples,
            seed=seed,
            members=None if members is None else members[data],
        )
        for data in spec.data
    ]
    ranks = [_rank_best(group.values(metric), metric) for group in groups for metric in spec.metrics]
    rows, epochs, under_trained = [], {}, []
    for index, row in enumerate(spec.rows):
        runs_by_data = {data: cell_runs[row.label, data] for data in spec.data}
        cells = [cell for group in groups for cell in group.cells(row)]
        ranked = [replace(cell, rank=column[index]) for cell, column in zip(cells, ranks, strict=True)]
        rows.append(_build_row(row, ranked, runs_by_data))
        if text := _epochs_text(runs_by_data):
            epochs[row.label] = text
        if any(_is_under_trained(run) for cell in runs_by_data.values() for run in cell.runs):
            under_trained.append(row.label)
    return Table(
        spec,
        _columns(spec),
        tuple(rows),
        users={group.data: group.n_users for group in groups if group.systems},
        references={group.data: group.reference for group in groups if group.reference},
        ttr_bounds={group.data: bound for group in groups if "ttr" in spec.metrics and (bound := group.ttr_bound())},
        resamples=resamples,
        test=test,
        epochs=epochs,
        under_trained=tuple(under_trained),
        unlike={group.data: group.unlike for group in groups if group.unlike},
        collisions={group.data: group.collisions for group in groups if group.collisions},
    )


def _columns(spec: TableSpec) -> tuple[tuple[str, str], ...]:
    return tuple((data, metric) for data in spec.data for metric in spec.metrics)


def _rank_best(values: Sequence[float | None], metric: str) -> list[int]:
    """1 for the best value, 2 for the second best, 0 for the others; equal values share a rank.

    All are 0 where the metric has no better direction, or fewer than two values compete.
    """
    if metric in UNDIRECTED or sum(value is not None for value in values) < 2:
        return [0] * len(values)
    sign = -1 if metric in LOWER_IS_BETTER else 1
    rounded = [None if value is None else round(sign * value, 9) for value in values]
    best = sorted({value for value in rounded if value is not None}, reverse=True)[:2]
    return [best.index(value) + 1 if value in best else 0 for value in rounded]


def _build_row(row: RowSpec, cells: Sequence[TableCell], runs_by_data: Mapping[str, CellRuns]) -> TableRow:
    empty = {data: cell for data, cell in runs_by_data.items() if not cell.runs}
    filled = {data: cell for data, cell in runs_by_data.items() if cell.runs}
    return TableRow(
        label=row.label,
        cells=tuple(cells),
        missing={data: cell.missing for data, cell in empty.items() if cell.missing},
        missing_configs={key: config for cell in empty.values() for key, config in cell.missing_configs.items()},
        reasons={data: row.reason(data) for data in empty if row.reason(data)},
        runs={data: tuple(run.id for run in cell.runs) for data, cell in filled.items()},
        sizes={data: cell.size for data, cell in filled.items() if cell.size},
        note=row.note,
    )


def _epochs_text(runs_by_data: Mapping[str, CellRuns]) -> str:
    """The epochs trained on each dataset, averaged over the seeds: `18.0 on arts (at most 40 minutes)`."""
    texts = []
    for data, cell in runs_by_data.items():
        fits = [run.summary.fit for run in cell.runs if run.summary.fit]
        if fits:
            mean = sum(fit.epochs for fit in fits) / len(fits)
            limits = sorted({run.spec.max_minutes for run in cell.runs if run.spec.max_minutes is not None})
            limit = f" (at most {' and '.join(f'{minutes:g}' for minutes in limits)} minutes)" if limits else ""
            texts.append(f"{mean:.1f} on {data}{limit}")
    return ", ".join(texts)


def _is_under_trained(run: Run) -> bool:
    return run.summary.fit is not None and run.summary.fit.under_trained


def _build_statistics(spec: TableSpec, count_statistics: CountStatistics) -> Table:
    rows = []
    for row in spec.rows:
        cells = [
            TableCell(value=count, published=text)
            for data in spec.data
            for count, text in zip(
                count_statistics(data, row.users or "all"), published_values(spec, row, data), strict=True
            )
        ]
        rows.append(TableRow(row.label, tuple(cells), note=row.note))
    return Table(spec, _columns(spec), tuple(rows), {}, {}, {}, 0, "randomisation")
