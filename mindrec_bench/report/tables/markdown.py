"""Tables as GitHub Markdown."""

from __future__ import annotations

from .caption import caption, footnotes
from .grid import MARK, Line, Text, arrow, header, lines
from .table import Table


def to_github(table: Table, *, with_intervals: bool = False) -> str:
    """A Markdown table with its caption and footnotes."""
    several = len(table.spec.data) > 1
    names = [f"{f'{data} ' if several else ''}{header(metric)}{arrow(metric)}" for data, metric in table.columns]
    found = [f"**{_escape(caption(table))}**", "", f"| | {' | '.join(map(_escape, names))} |"]
    found.append("| --- |" + " ---: |" * len(names))
    found += [_line(line) for line in lines(table, with_intervals=with_intervals)]
    notes = [_note(note) for note in footnotes(table)]
    return "\n".join([*found, "", *(f"- {note}" for note in notes)]).rstrip() + "\n"


def _line(line: Line) -> str:
    label = _escape(line.label) if line.kind == "values" else f"*{line.label}*"
    return f"| {label} | {' | '.join(map(_cell, line.cells))} |"


def _cell(cell: Text) -> str:
    text = _escape(cell.text)
    text = f"**{text}**" if cell.place == 1 else f"<u>{text}</u>" if cell.place == 2 else text
    return text + (_escape(MARK) if cell.mark else "")


def _note(note: str) -> str:
    """Footnote text; a command stands as code."""
    before, command, after = note.removeprefix("- ").partition("mrbench run")
    return f"{_escape(before)}`{command}{after}`" if command else _escape(before)


def _escape(text: str) -> str:
    for character in "\\|*_<>":
        text = text.replace(character, f"\\{character}")
    return text
