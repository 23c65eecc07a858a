"""Tables for a terminal."""

from __future__ import annotations

import io

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text as RichText

from ..metric_format import metric_arrow, metric_name
from .caption import caption
from .footnotes import footnotes
from .table import Table
from .table_lines import SIGNIFICANCE_MARK, FormattedCell, TableLine, table_lines

_MIN_WIDTH = 100
_RANK_STYLES = ("", "bold", "underline")


def to_text(table: Table, *, with_intervals: bool = False, colour: bool = False, width: int | None = None) -> str:
    """A table with its caption and footnotes.

    Args:
        table: the table.
        with_intervals: show bootstrap 95% intervals where they were computed.
        colour: write the escape codes for bold, underlined and dim text, which only a terminal understands.
        width: columns of the terminal; None takes as many as the table needs, at least 100.
    """
    with_data = len(table.spec.data) > 1
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("")
    for data, metric in table.columns:
        head = f"{metric_name(metric)}{metric_arrow(metric)}"
        grid.add_column(f"{data}\n{head}" if with_data else head, justify="right", no_wrap=True)
    for line in table_lines(table, with_intervals=with_intervals):
        grid.add_row(*_cells(line), style="" if line.kind == "values" else "dim")
    out = io.StringIO()
    console = Console(
        file=out,
        width=width or max(_MIN_WIDTH, Console(width=10_000).measure(grid).maximum),
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
    )
    console.print(caption(table), markup=False)
    console.print(grid)
    for note in footnotes(table):
        console.print(note, markup=False, soft_wrap="mrbench run" in note)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).rstrip() + "\n"


def _cells(line: TableLine) -> list[RichText]:
    label = line.label if line.kind == "values" else f"  {line.label}"
    # The style is that of the text alone: a cell's own style would underline its padding too.
    return [RichText(label), *(RichText.assemble((_cell_text(cell), _RANK_STYLES[cell.rank])) for cell in line.cells)]


def _cell_text(cell: FormattedCell) -> str:
    return cell.text + (SIGNIFICANCE_MARK if cell.significant else "")
