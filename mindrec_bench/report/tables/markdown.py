"""Tables as GitHub Markdown."""

from __future__ import annotations

import re

from ..metric_format import metric_arrow, metric_name
from ..text_table import format_table
from .caption import caption
from .footnotes import footnotes
from .table import Table
from .table_lines import SIGNIFICANCE_MARK, FormattedCell, TableLine, table_lines


def to_markdown(table: Table, *, with_intervals: bool = False) -> str:
    """A Markdown table with its caption and footnotes."""
    with_data = len(table.spec.data) > 1
    headings = [
        _escape(f"{f'{data} ' if with_data else ''}{metric_name(metric)}{metric_arrow(metric)}")
        for data, metric in table.columns
    ]
    rows = [_row(line) for line in table_lines(table, with_intervals=with_intervals)]
    lines = [f"**{_escape(caption(table))}**", "", *format_table(rows, "pipe", headings=["", *headings]), ""]
    lines += [f"- {_note(note)}" for note in footnotes(table)]
    return "\n".join(lines).rstrip() + "\n"


def _row(line: TableLine) -> list[str]:
    label = _escape(line.label) if line.kind == "values" else f"*{line.label}*"
    return [label, *map(_cell, line.cells)]


def _cell(cell: FormattedCell) -> str:
    text = _escape(cell.text)
    text = f"**{text}**" if cell.rank == 1 else f"<u>{text}</u>" if cell.rank == 2 else text
    return text + (_escape(SIGNIFICANCE_MARK) if cell.significant else "")


def _note(note: str) -> str:
    """The text of a footnote, with its command as code."""
    before, command, after = note.removeprefix("- ").partition("mrbench run")
    if not command:
        return _escape(before)
    code = " ".join(f"{command}{after}".split())
    fence = "`" * (1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{_escape(before)}{fence}{code}{fence}"


def _escape(text: str) -> str:
    """One line that shows as it is: no markup, and no address becomes a link."""
    for character in "\\`|*_<>":
        text = text.replace(character, f"\\{character}")
    text = re.sub(r"(\]\(|&(?=#?\w+;)|(?<=:)//|(?<=www)\.)", r"\\\1", text)  # links, addresses, names of characters
    return re.sub(r"[\r\n]+", " ", text)
