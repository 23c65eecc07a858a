"""Tables as LaTeX with booktabs; one that is wider than a page becomes several, which share a number."""

from __future__ import annotations

import re
from itertools import groupby, pairwise

from tabulate import DataRow, Line, TableFormat

from ...io.printable import CONTROLS
from ..metric_format import metric_direction, metric_name
from ..text_table import format_table
from .caption import caption
from .footnotes import footnotes
from .table import Table
from .table_lines import EMPTY_CELL, FormattedCell, TableLine, data_groups, table_lines

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    '"': "''", "±": r"$\pm$", "≠": r"$\neq$", "†": r"$\dagger$", "‡": r"$\ddagger$",
    "–": r"\textendash{}", "—": r"\textemdash{}",
}  # fmt: skip
_ROW = DataRow("", " & ", r" \\")
_TOP, _MIDDLE, _BOTTOM = (Line(rf"\{name}rule", "", "", "") for name in ("top", "mid", "bottom"))
_BOOKTABS = TableFormat(_TOP, _MIDDLE, None, _BOTTOM, headerrow=_ROW, datarow=_ROW, padding=0, with_header_hide=None)
"""As `latex_booktabs` of `tabulate`, which would escape the commands in our cells."""

_ENGINE = "% has letters outside ASCII: typeset it with xelatex or lualatex, and a font that has them\n"

PAGE_POINTS = 345.0
"""The width of the text in LaTeX's own classes at 10 pt, the narrowest of the common ones."""

_COLUMN_SEPARATION = 6.0
"""Points between two columns, twice the `tabcolsep` that is set."""

_DIGIT_POINTS = {"values": 4.3, "published": 4.1, "detectable": 4.1}
"""The width of a digit of Computer Modern in the sizes of the lines; most letters are as wide or narrower."""

_PAGE_LINES, _NOTE_CHARACTERS = 50, 105
"""Lines of a table and its footnotes that fit a page below a caption, and characters in a line of a footnote."""

_NARROW = frozenset(" .,:;'()[]|/-il")
"""Characters of little more than half the width of a digit."""

_ARROWS = {"up": r"$\uparrow$", "down": r"$\downarrow$", "": ""}


def to_latex(table: Table, *, with_intervals: bool = False) -> str:
    """A `table*` float with a caption, a label, and the footnotes under a rule.

    A table wider than `PAGE_POINTS` is split by its datasets, and a dataset that is still too wide by its metrics: each
    part is a float with all rows. The footnotes stand below the last, or in floats of their own where they are long.
    """
    lines = table_lines(table, with_intervals=with_intervals)
    bodies = [_tabular(table, lines, part) for part in _split_columns(table, lines)]
    notes = [escape(note.removeprefix("- ")) for note in footnotes(table)]
    if notes and len(lines) + _note_lines(notes) <= _PAGE_LINES:
        bodies[-1] += [r"\par\vspace{4pt}\rule{\linewidth}{0.4pt}", *_notes(notes)]
    else:
        bodies += [_notes(page) for page in _note_pages(notes)]
    floats = [_float(table, body, first=number == 0) for number, body in enumerate(bodies)]
    text = "\n".join([r"% needs \usepackage{booktabs}", *floats])
    return text if text.isascii() else _ENGINE + text


def _note_lines(notes: list[str]) -> int:
    return sum(len(note) // _NOTE_CHARACTERS + 1 for note in notes)


def _note_pages(notes: list[str]) -> list[list[str]]:
    """As many of the notes on each page as fit."""
    pages: list[list[str]] = []
    for note in notes:
        if not pages or _note_lines([*pages[-1], note]) > _PAGE_LINES:
            pages.append([])
        pages[-1].append(note)
    return pages


def _notes(notes: list[str]) -> list[str]:
    return [r"\begin{flushleft}\scriptsize", "\\\\\n".join(notes), r"\end{flushleft}"]


def _float(table: Table, body: list[str], *, first: bool) -> str:
    """One part, below the caption or, after the first, below the title under the same number."""
    if first:
        label = "".join(character if character.isalnum() else "-" for character in table.spec.name)
        head = [rf"\caption{{{escape(caption(table))}}}", rf"\label{{tab:{label}}}"]
    else:
        head = [r"\addtocounter{table}{-1}", rf"\caption{{{escape(table.spec.title)}, continued.}}"]
    separation = rf"\setlength{{\tabcolsep}}{{{_COLUMN_SEPARATION / 2:g}pt}}"
    start = [r"\begin{table*}", r"\centering\footnotesize", *head, r"\vspace{4pt}", separation]
    return "\n".join([*start, *body, r"\end{table*}", ""])


def _tabular(table: Table, lines: list[TableLine], part: range) -> list[str]:
    """All rows of some columns, without lines below them that are empty there."""
    columns = [table.columns[column] for column in part]
    metrics = [f"{escape(metric_name(metric))}{_ARROWS[metric_direction(metric)]}" for _, metric in columns]
    shown = [line for line in lines if line.kind == "values" or any(line.cells[column].text for column in part)]
    rows = [_row(line, part) for line in shown]
    top_rule, *rest = format_table(rows, _BOOKTABS, headings=["", *metrics])
    heads = _data_heads([data for data, _ in columns]) if len(table.spec.data) > 1 else []
    return [rf"\begin{{tabular}}{{@{{}}l{'r' * len(part)}@{{}}}}", top_rule, *heads, *rest, r"\end{tabular}"]


def _split_columns(table: Table, lines: list[TableLine]) -> list[range]:
    """The columns of each part: all, or those of one dataset, or some metrics of it, as many in each as can be."""
    widths = [
        max(
            _points(metric_name(metric) + "0", "values"),
            *(_points(line.cells[column].text, line.kind) for line in lines),
        )
        + _COLUMN_SEPARATION
        for column, (_, metric) in enumerate(table.columns)
    ]
    labels = max(_points(line.label, line.kind) for line in lines)
    space = PAGE_POINTS - labels
    if sum(widths) <= space:
        return [range(len(widths))]
    parts: list[range] = []
    start = 0
    for _, count in data_groups(table):
        parts += _split_evenly(range(start, start + count), widths, space)
        start += count
    return parts


def _points(text: str, kind: str) -> float:
    """About how wide a text is in a line of this kind."""
    return _DIGIT_POINTS[kind] * sum(0.6 if character in _NARROW else 1.0 for character in text)


def _split_evenly(columns: range, widths: list[float], space: float) -> list[range]:
    """As few ranges of nearly equal length as fit the space; a single column stays whole however wide it is."""
    for parts in range(1, len(columns)):
        bounds = [columns.start + len(columns) * part // parts for part in range(parts + 1)]
        ranges = [range(*pair) for pair in pairwise(bounds)]
        if all(sum(widths[column] for column in part) <= space for part in ranges):
            return ranges
    return [range(column, column + 1) for column in columns]


def _data_heads(data: list[str]) -> list[str]:
    """The names of the datasets above their columns; `tabulate` can't make a cell span several columns."""
    names, rules, start = [], [], 2
    for name, columns in groupby(data):
        width = len(list(columns))
        names.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(name)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [rf" & {' & '.join(names)} \\", "".join(rules)]


def _row(line: TableLine, part: range) -> list[str]:
    label = escape(line.label) if line.kind == "values" else rf"\quad\textit{{\scriptsize {escape(line.label)}}}"
    return [label, *(_cell(line.cells[column], line.kind) for column in part)]


def _cell(cell: FormattedCell, kind: str) -> str:
    text = escape(cell.text) if cell.text != EMPTY_CELL else "--"
    if cell.rank == 1:
        text = rf"\textbf{{{text}}}"
    elif cell.rank == 2:
        text = rf"\underline{{{text}}}"
    if kind != "values" and text:
        text = rf"{{\scriptsize {text}}}"
    return text + ("$^{*}$" if cell.significant else "")


def escape(text: str) -> str:
    """Escape the characters that LaTeX treats specially, and turn quotes into opening and closing ones.

    Line breaks become spaces: an empty line would end the caption, and control characters are no input of LaTeX.
    """
    text = re.sub(rf"(?:{CONTROLS}|[\t\n])+", " ", text)
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    escaped = re.sub(r"^(\s*)([\[*])", r"\1{\2}", escaped)  # else an argument of the line break before it
    return re.sub(r"(?<![\w)])'(?=[\w(])", "`", escaped.replace("--", "-{}-"))
