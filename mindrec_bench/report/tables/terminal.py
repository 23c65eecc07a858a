"""Tables for a terminal."""

from __future__ import annotations

import textwrap
from typing import Any

import click
from tabulate import DataRow, Line, TableFormat

from ..metric_format import metric_arrow, metric_name
from ..text_table import TEXT_WIDTH, format_table
from .caption import caption
from .footnotes import footnotes
from .table import Table
from .table_lines import SIGNIFICANCE_MARK, FormattedCell, TableLine, table_lines

_RANK_STYLES: tuple[dict[str, bool], ...] = ({}, {"bold": True}, {"underline": True})
_ROW = DataRow(" ", "   ", "")
_FORMAT = TableFormat(Line(" ", "─", "───", ""), None, None, None, _ROW, _ROW, padding=0, with_header_hide=None)


def to_text(table: Table, *, with_intervals: bool = False, colour: bool = False, width: int = TEXT_WIDTH) -> str:
    """A table with its caption and footnotes, as wide as it needs.

    Args:
        table: the table.
        with_intervals: show bootstrap 95% intervals where they were computed.
        colour: write the escape codes for bold, underlined and dim text, which only a terminal understands.
        width: of the sentences, in characters; where it is `TEXT_WIDTH` they are as wide as a wider table.
    """
    names = [f"{metric_name(metric)}{metric_arrow(metric)}" for _, metric in table.columns]
    heads = [[data for data, _ in table.columns], names] if len(table.spec.data) > 1 else [names]
    rows = [["", *(_style(head, colour, bold=True) for head in line)] for line in heads]
    rows += [_row(line, colour) for line in table_lines(table, with_intervals=with_intervals)]
    rule, *lines = format_table(rows, _FORMAT)
    width = max(width, len(rule + " ")) if width == TEXT_WIDTH else width
    notes = [note if "mrbench run" in note else _wrap(note, width) for note in footnotes(table)]
    text = [
        _wrap(caption(table, marks_best=colour), width),
        "",
        *lines[: len(heads)],
        rule,
        *lines[len(heads) :],
        "",
        *notes,
    ]
    return "\n".join(text).rstrip() + "\n"


def _row(line: TableLine, colour: bool) -> list[str]:
    if line.kind == "values":
        return [line.label, *(_style(_cell_text(cell), colour, **_RANK_STYLES[cell.rank]) for cell in line.cells)]
    return [_style(text, colour, dim=True) for text in (f"  {line.label}", *map(_cell_text, line.cells))]


def _cell_text(cell: FormattedCell) -> str:
    return cell.text + (SIGNIFICANCE_MARK if cell.significant else "")


def _style(text: str, colour: bool, **styles: Any) -> str:
    """Only the text of a cell: a style of the whole cell would underline its padding too."""
    return click.style(text, **styles) if colour and styles and text else text


def _wrap(text: str, width: int) -> str:
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.splitlines())
