"""Tables as LaTeX with booktabs; where graphicx is loaded too, a table wider than the page is scaled to fit."""

from __future__ import annotations

import re
from itertools import groupby

from ..metric_format import metric_direction, metric_name
from .caption import caption
from .footnotes import footnotes
from .table import Table
from .table_lines import EMPTY_CELL, FormattedCell, TableLine, table_lines

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    '"': "''", "±": r"$\pm$", "≠": r"$\neq$", "–": r"\textendash{}", "—": r"\textemdash{}",
}  # fmt: skip
_ARROWS = {"up": r"$\uparrow$", "down": r"$\downarrow$", "": ""}


def to_latex(table: Table, *, with_intervals: bool = False) -> str:
    """A `table*` float with a caption, a label, and the footnotes below."""
    spec = table.spec
    metrics = [f"{escape(metric_name(metric))}{_ARROWS[metric_direction(metric)]}" for _, metric in table.columns]
    body = [rf"\begin{{tabular}}{{l{'r' * len(metrics)}}}", r"\toprule"]
    if len(spec.data) > 1:
        body += _data_heads(table)
    body += [rf" & {' & '.join(metrics)} \\", r"\midrule"]
    body += [_body_line(line) for line in table_lines(table, with_intervals=with_intervals)]
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


def _data_heads(table: Table) -> list[str]:
    """The names of the data sets above their columns."""
    names, rules, start = [], [], 2
    for data, columns in groupby(table.columns, key=lambda column: column[0]):
        width = len(list(columns))
        names.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(data)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [rf" & {' & '.join(names)} \\", "".join(rules)]


def _body_line(line: TableLine) -> str:
    label = escape(line.label) if line.kind == "values" else rf"\quad\textit{{\footnotesize {escape(line.label)}}}"
    return rf"{label} & {' & '.join(_cell(cell, line.kind) for cell in line.cells)} \\"


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
    """Escape the characters that LaTeX treats specially, and turn quotes into opening and closing ones."""
    escaped = "".join(_SPECIAL.get(character, character) for character in text)
    return re.sub(r"(?<![\w)])'(?=[\w(])", "`", escaped.replace("--", "-{}-"))
