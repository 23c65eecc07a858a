"""Tables as LaTeX with booktabs; with graphicx too, a table wider than the page is scaled to it."""

from __future__ import annotations

import re
from itertools import groupby

from .caption import caption, footnotes
from .grid import Line, Text, direction, header, lines
from .table import Table

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    '"': "''", "±": r"$\pm$", "≠": r"$\neq$", "–": r"\textendash{}", "—": r"\textemdash{}",
}  # fmt: skip
_ARROWS = {"up": r"$\uparrow$", "down": r"$\downarrow$", "": ""}


def to_latex(table: Table, *, with_intervals: bool = False) -> str:
    """A `table*` float with caption, footnotes below, and a label."""
    spec = table.spec
    metrics = [f"{escape(header(metric))}{_ARROWS[direction(metric)]}" for _, metric in table.columns]
    body = [rf"\begin{{tabular}}{{l{'r' * len(metrics)}}}", r"\toprule"]
    if len(spec.data) > 1:
        body += _groups(table)
    body += [rf" & {' & '.join(metrics)} \\", r"\midrule"]
    for line in lines(table, with_intervals=with_intervals):
        body.append(_line(line))
    body += [r"\bottomrule", r"\end{tabular}"]
    notes = [escape(note.removeprefix("- ")) for note in footnotes(table)]
    below = [r"\begin{flushleft}\footnotesize", "\\\\\n".join(notes), r"\end{flushleft}"] if notes else []
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}; with \usepackage{graphicx}, a table wider than the page is scaled to it",
            r"\begin{table*}",
            r"\providecommand{\resizebox}[3]{#3}",
            r"\centering",
            rf"\caption{{{escape(caption(table))}}}",
            rf"\label{{tab:{''.join(c if c.isalnum() else '-' for c in spec.name)}}}",
            r"\vspace{4pt}",
            r"\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
            *body,
            "}",
            *below,
            r"\end{table*}",
            "",
        ]
    )


def _groups(table: Table) -> list[str]:
    """The line of data names over their columns."""
    names, rules, start = [], [], 2
    for data, columns in groupby(table.columns, key=lambda column: column[0]):
        width = len(list(columns))
        names.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(data)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [rf" & {' & '.join(names)} \\", "".join(rules)]


def _line(line: Line) -> str:
    label = escape(line.label) if line.kind == "values" else rf"\quad\textit{{\footnotesize {escape(line.label)}}}"
    return rf"{label} & {' & '.join(_cell(cell, line.kind) for cell in line.cells)} \\"


def _cell(cell: Text, kind: str) -> str:
    text = escape(cell.text) if cell.text != "-" else "--"
    if cell.place == 1:
        text = rf"\textbf{{{text}}}"
    elif cell.place == 2:
        text = rf"\underline{{{text}}}"
    if kind != "values" and text:
        text = rf"{{\footnotesize {text}}}"
    return text + ("$^{*}$" if cell.mark else "")


def escape(text: str) -> str:
    """Text as it is, whatever LaTeX would make of its characters; quotes open and close."""
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    return re.sub(r"(?<![\w)])'(?=[\w(])", "`", escaped.replace("--", "-{}-"))
