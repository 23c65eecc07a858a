"""A table as lines of formatted cells, which every renderer draws in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from ..metric_format import format_value
from ..table_spec import STATISTICS
from .table import Table, TableCell, TableRow

EMPTY_CELL = "-"
SIGNIFICANCE_MARK = "*"
EXCLUSION_MARK = " †"
"""After the label of a row that excludes the history, in a table in which others do not."""
UNLIKE_MARK = " ‡"
"""After the label of a row that another row is unlike: one model, trained otherwise."""


@dataclass(frozen=True)
class FormattedCell:
    """One formatted cell.

    Attributes:
        text: what is shown.
        rank: 1 for the best value of its column, 2 for the second best, else 0.
        significant: the value differs significantly from the reference row.
    """

    text: str
    rank: int = 0
    significant: bool = False


@dataclass(frozen=True)
class TableLine:
    """One line: a row's values, its published values, or the differences from the reference that it could detect."""

    kind: Literal["values", "published", "detectable"]
    label: str
    cells: tuple[FormattedCell, ...]


def table_lines(table: Table, *, with_intervals: bool = False) -> list[TableLine]:
    """All lines of a table, top to bottom."""
    lines = []
    for row in table.rows:
        lines.append(_values_line(table, row, with_intervals))
        if any(cell.published for cell in row.cells):
            lines.append(_published_line(table, row))
        if any(cell.comparison for cell in row.cells):
            lines.append(_detectable_line(table, row))
    return lines


def data_groups(table: Table) -> list[tuple[str, int]]:
    """The datasets above the metrics, each with its number of columns."""
    return [(data, len(list(columns))) for data, columns in groupby(table.columns, key=lambda column: column[0])]


def _values_line(table: Table, row: TableRow, with_intervals: bool) -> TableLine:
    cells = []
    for cell, (_, metric) in zip(row.cells, table.columns, strict=True):
        text = EMPTY_CELL if cell.value is None else format_value(cell.value, metric)
        if with_intervals and cell.interval:
            low, high = cell.interval
            text += f" [{format_value(low, metric)}, {format_value(high, metric)}]"
        cells.append(FormattedCell(text, cell.rank, cell.significant))
    mark = EXCLUSION_MARK if table.mixes_exclusion and row.label in table.excluding else ""
    mark += UNLIKE_MARK if row.label in table.unlike_rows else ""
    return TableLine("values", row.label + mark, tuple(cells))


def _published_line(table: Table, row: TableRow) -> TableLine:
    cells = [
        FormattedCell(_published_text(cell, metric)) for cell, (_, metric) in zip(row.cells, table.columns, strict=True)
    ]
    return TableLine("published", "published", tuple(cells))


def _detectable_line(table: Table, row: TableRow) -> TableLine:
    cells = [
        FormattedCell(_detectable_text(cell, metric))
        for cell, (_, metric) in zip(row.cells, table.columns, strict=True)
    ]
    return TableLine("detectable", "detectable", tuple(cells))


def _detectable_text(cell: TableCell, metric: str) -> str:
    if cell.comparison is None:
        return ""
    return EMPTY_CELL if cell.comparison.detectable is None else f"±{format_value(cell.comparison.detectable, metric)}"


def _published_text(cell: TableCell, metric: str) -> str:
    """The published value and, in brackets, measured minus published with the same digits: `0.0280 (-0.0012)`.

    Counts that agree with the published ones stand without brackets.
    """
    if not cell.published:
        return ""
    if metric in STATISTICS:
        text = f"{int(cell.published):,}"
        return text if not cell.difference else f"{text} ({cell.difference:+,.0f})"
    if cell.difference is None:
        return cell.published
    digits = len(cell.published.partition(".")[2])
    return f"{cell.published} ({cell.difference:+.{digits}f})"
