"""Tables as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from ..metric_format import metric_arrow, metric_name
from .caption import caption
from .footnotes import footnotes
from .table import Table
from .table_lines import EMPTY_CELL, FormattedCell, TableLine, table_lines

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 78rem; margin: 2rem auto;
  padding: 0 1rem; }
figure { margin: 0 0 3rem; overflow-x: auto; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid;
  font-variant-numeric: tabular-nums; }
caption { caption-side: top; text-align: left; padding-bottom: .6rem; max-width: 70rem; }
th, td { padding: .2rem .7rem; text-align: right; white-space: nowrap; font-weight: normal; }
th:first-child { text-align: left; position: sticky; left: 0; background: inherit; }
tr { background: #fff; }
thead tr:last-child th { border-bottom: 1px solid; }
th.group { text-align: center; border-bottom: 1px solid #999; }
tr.values td, tr.values th { padding-top: .45rem; }
tr.reference { background: #f1f5f9; }
tr.published td, tr.published th, tr.detectable td, tr.detectable th { color: #555; font-size: .85em; padding-top: 0; }
tr.published th, tr.detectable th { font-style: italic; padding-left: 1.6rem; }
ul { color: #333; font-size: .9em; padding-left: 1.2rem; }
code { background: #f3f3f3; padding: .1rem .3rem; }
"""


def to_html(tables: Sequence[Table], *, with_intervals: bool = False) -> str:
    """One page with all the tables, without scripts and without links to other files."""
    title = tables[0].spec.title if len(tables) == 1 else "mindrec-bench tables"
    figures = "\n".join(_figure(table, with_intervals) for table in tables)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{figures}\n</body>\n</html>\n"
    )


def _figure(table: Table, with_intervals: bool) -> str:
    references = table.references.values()
    lines = table_lines(table, with_intervals=with_intervals)
    body = "\n".join(_body_line(line, line.label in references) for line in lines)
    notes = "\n".join(f"<li>{_note(note)}</li>" for note in footnotes(table))
    return (
        f'<figure id="{escape(table.spec.name)}">\n<table>\n<caption>{escape(caption(table))}</caption>\n'
        f"<thead>\n{_head(table)}</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"
        + (f"<ul>\n{notes}\n</ul>\n" if notes else "")
        + "</figure>"
    )


def _head(table: Table) -> str:
    head = ""
    if len(table.spec.data) > 1:
        groups = [(data, len(list(columns))) for data, columns in groupby(table.columns, key=lambda column: column[0])]
        cells = "".join(f'<th class="group" colspan="{width}">{escape(data)}</th>' for data, width in groups)
        head += f"<tr><th></th>{cells}</tr>\n"
    names = "".join(
        f'<th scope="col">{escape(metric_name(metric))}{metric_arrow(metric)}</th>' for _, metric in table.columns
    )
    return f"{head}<tr><th></th>{names}</tr>\n"


def _body_line(line: TableLine, is_reference: bool) -> str:
    kind = f"{line.kind} reference" if is_reference and line.kind == "values" else line.kind
    cells = "".join(f"<td>{_cell(cell)}</td>" for cell in line.cells)
    return f'<tr class="{kind}"><th scope="row">{escape(line.label)}</th>{cells}</tr>'


def _cell(cell: FormattedCell) -> str:
    text = escape("–" if cell.text == EMPTY_CELL else cell.text)
    text = f"<b>{text}</b>" if cell.rank == 1 else f"<u>{text}</u>" if cell.rank == 2 else text
    return text + ("<sup>*</sup>" if cell.significant else "")


def _note(note: str) -> str:
    before, command, after = note.removeprefix("- ").partition("mrbench run")
    return f"{escape(before)}<code>{escape(command + after)}</code>" if command else escape(before)
