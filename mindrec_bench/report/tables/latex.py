"""Tables as LaTeX with booktabs; where graphicx is loaded too, a table wider than the page is scaled to fit."""

from __future__ import annotations

import re

from tabulate import DataRow, Line, TableFormat

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

_ARROWS = {"up": r"$\uparrow$", "down": r"$\downarrow$", "": ""}


def to_latex(table: Table, *, with_intervals: bool = False) -> str:
    """A `table*` float with a caption, a label, and the footnotes below."""
    spec = table.spec
    metrics = [f"{escape(metric_name(metric))}{_ARROWS[metric_direction(metric)]}" for _, metric in table.columns]
    rows = [_row(line) for line in table_lines(table, with_intervals=with_intervals)]
    top_rule, *lines = format_table(rows, _BOOKTABS, headings=["", *metrics])
    data_heads = _data_heads(table) if len(spec.data) > 1 else []
    notes = [escape(note.removeprefix("- ")) for note in footnotes(table)]
    below = [r"\begin{flushleft}\footnotesize", "\\\\\n".join(notes), r"\end{flushleft}"] if notes else []
    text = "\n".join(
        [
            r"% needs \usepackage{booktabs}; with \usepackage{graphicx}, a table wider than the page is scaled to it",
            r"\begin{table*}",
            r"\providecommand{\resizebox}[3]{#3}",
            r"\centering",
            rf"\caption{{{escape(caption(table))}}}",
            rf"\label{{tab:{''.join(c if c.isalnum() else '-' for c in spec.name)}}}",
            r"\vspace{4pt}",
            r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * len(metrics)}}}",
            top_rule,
            *data_heads,
            *lines,
            r"\end{tabular}",
            "}",
            *below,
            r"\end{table*}",
            "",
        ]
    )
    return text if text.isascii() else _ENGINE + text


def _data_heads(table: Table) -> list[str]:
    """The names of the datasets above their columns; `tabulate` can't make a cell span several columns."""
    names, rules, start = [], [], 2
    for data, width in data_groups(table):
        names.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(data)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [rf" & {' & '.join(names)} \\", "".join(rules)]


def _row(line: TableLine) -> list[str]:
    label = escape(line.label) if line.kind == "values" else rf"\quad\textit{{\footnotesize {escape(line.label)}}}"
    return [label, *(_cell(cell, line.kind) for cell in line.cells)]


def _cell(cell: FormattedCell, kind: str) -> str:
    text = escape(cell.text) if cell.text != EMPTY_CELL else "--"
    if cell.rank == 1:
        text = rf"\textbf{{{text}}}"
    elif cell.rank == 2:
        text = rf"\underline{{{text}}}"
    if kind != "values" and text:
        text = rf"{{\footnotesize {text}}}"
    return text + ("$^{*}$" if cell.significant else "")


def escape(text: str) -> str:
    """Escape the characters that LaTeX treats specially, and turn quotes into opening and closing ones.

    Line breaks become spaces: an empty line would end the caption, and control characters are no input of LaTeX.
    """
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text)
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    escaped = re.sub(r"^(\s*)([\[*])", r"\1{\2}", escaped)  # else an argument of the line break before it
    return re.sub(r"(?<![\w)])'(?=[\w(])", "`", escaped.replace("--", "-{}-"))
