"""Tables as one self-contained HTML page, by `jinja2`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..html_environment import html_environment
from ..metric_format import metric_arrow, metric_name
from .caption import caption
from .footnotes import footnotes
from .table import Table
from .table_lines import EMPTY_CELL, data_groups, table_lines

_TEMPLATE = "tables.html.j2"


def to_html(tables: Sequence[Table], *, with_intervals: bool = False) -> str:
    """One page with all the tables, without scripts and without links to other files."""
    return (
        html_environment("mindrec_bench.report")
        .get_template(_TEMPLATE)
        .render(
            title=tables[0].spec.title if len(tables) == 1 else "mindrec-bench tables",
            tables=[_table_values(table, with_intervals) for table in tables],
            empty_cell=EMPTY_CELL,
        )
    )


def _table_values(table: Table, with_intervals: bool) -> dict[str, Any]:
    """What the template shows of a table."""
    return {
        "name": table.spec.name,
        "caption": caption(table),
        "groups": data_groups(table) if len(table.spec.data) > 1 else [],
        "headings": [f"{metric_name(metric)}{metric_arrow(metric)}" for _, metric in table.columns],
        "lines": table_lines(table, with_intervals=with_intervals),
        "references": set(table.references.values()),
        "notes": [_split_command(note.removeprefix("- ")) for note in footnotes(table)],
    }


def _split_command(note: str) -> tuple[str, str]:
    """The text of a footnote, and the command at its end."""
    text, command, arguments = note.partition("mrbench run")
    return text, command + arguments
