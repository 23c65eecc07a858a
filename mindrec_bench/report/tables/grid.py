"""A table as lines of formatted text that every renderer draws in its own way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..table_spec import STATISTICS
from .table import DOWN, NEITHER, Cell, Row, Table

DASH = "-"
MARK = "*"

NAMES = {"entropy": "Entropy", "ttr": "TTR", "ttr_bound": "TTR bound", "valid": "real items"}
DIGITS = {
    "entropy": 3, "ttr": 5, "ttr_bound": 5, "distinct_codes": 0, "valid": 3, "duplicates": 3, "coverage": 3,
    "popularity": 1, **dict.fromkeys(STATISTICS, 0),
}  # fmt: skip


@dataclass(frozen=True)
class Text:
    """One formatted cell; `place` 1 is the best of its column, 2 the second best; `mark`: it is significant."""

    text: str
    place: int = 0
    mark: bool = False


@dataclass(frozen=True)
class Line:
    """One line: a row's values, its published values, or the differences from the reference that it could show."""

    kind: Literal["values", "published", "detectable"]
    label: str
    cells: tuple[Text, ...]


def header(metric: str) -> str:
    """A column's name without its arrow."""
    return NAMES.get(metric, metric.upper() if "@" in metric else metric.replace("_", " "))


def direction(metric: str) -> Literal["up", "down", ""]:
    """Which way is better."""
    return "" if metric in NEITHER else "down" if metric in DOWN else "up"


def arrow(metric: str) -> str:
    """The direction as one character."""
    return {"up": "↑", "down": "↓", "": ""}[direction(metric)]


def number(value: float, metric: str) -> str:
    """A value with the digits of its metric; counts with thousands separated."""
    return f"{value:,.{DIGITS.get(metric, 4)}f}"


def lines(table: Table, *, with_intervals: bool = False) -> list[Line]:
    """All lines of a table, top to bottom."""
    found = []
    for row in table.rows:
        found.append(_values(table, row, with_intervals))
        if any(cell.published for cell in row.cells):
            found.append(_published(table, row))
        if any(cell.comparison for cell in row.cells):
            found.append(_detectable(table, row))
    return found


def _values(table: Table, row: Row, with_intervals: bool) -> Line:
    texts = []
    for cell, (_, metric) in zip(row.cells, table.columns, strict=True):
        text = DASH if cell.value is None else number(cell.value, metric)
        if with_intervals and cell.interval:
            text += f" [{number(cell.interval[0], metric)}, {number(cell.interval[1], metric)}]"
        texts.append(Text(text, cell.place, cell.significant))
    return Line("values", row.label, tuple(texts))


def _published(table: Table, row: Row) -> Line:
    texts = [Text(_beside(cell, metric)) for cell, (_, metric) in zip(row.cells, table.columns, strict=True)]
    return Line("published", "published", tuple(texts))


def _detectable(table: Table, row: Row) -> Line:
    texts = [
        Text(f"±{number(cell.comparison.detectable, metric)}" if cell.comparison else "")
        for cell, (_, metric) in zip(row.cells, table.columns, strict=True)
    ]
    return Line("detectable", "detectable", tuple(texts))


def _beside(cell: Cell, metric: str) -> str:
    """`0.0280 (-0.0012)`: as printed, and measured minus published with its digits; equal counts stand alone."""
    if not cell.published:
        return ""
    if metric in STATISTICS:
        text = f"{int(cell.published):,}"
        return text if not cell.difference else f"{text} ({cell.difference:+,.0f})"
    if cell.difference is None:
        return cell.published
    return f"{cell.published} ({cell.difference:+.{len(cell.published.partition('.')[2])}f})"
