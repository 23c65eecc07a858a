"""Tables for a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .caption import caption, footnotes
from .grid import MARK, Line, Text, arrow, header, lines
from .table import Table

if TYPE_CHECKING:
    from rich.text import Text as Styled


def to_text(table: Table, *, with_intervals: bool = False, colour: bool = False, width: int | None = None) -> str:
    """A table with its caption and footnotes.

    Args:
        table: the table.
        with_intervals: show bootstrap 95% intervals where they were computed.
        colour: write the codes for bold, underlined and dim text, which only a terminal understands.
        width: columns of the terminal; None takes as many as the table needs, at least 100.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table as Grid

    several = len(table.spec.data) > 1
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("")
    for data, metric in table.columns:
        name = f"{header(metric)}{arrow(metric)}"
        grid.add_column(f"{data}\n{name}" if several else name, justify="right", no_wrap=True)
    for line in lines(table, with_intervals=with_intervals):
        grid.add_row(*_cells(line), style="" if line.kind == "values" else "dim")
    out = io.StringIO()
    needed = max(100, Console(width=10_000).measure(grid).maximum)
    console = Console(
        file=out,
        width=width or needed,
        force_terminal=colour,
        color_system="standard" if colour else None,
        highlight=False,
    )
    console.print(caption(table), markup=False)
    console.print(grid)
    for note in footnotes(table):
        console.print(note, markup=False, soft_wrap="mrbench run" in note)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).rstrip() + "\n"


def _cells(line: Line) -> list[Styled]:
    from rich.text import Text as Styled

    label = line.label if line.kind == "values" else f"  {line.label}"
    styles = ("", "bold", "underline")  # of the text alone: a cell's own style would underline the padding too
    return [Styled(label), *(Styled.assemble((_marked(cell), styles[cell.place])) for cell in line.cells)]


def _marked(cell: Text) -> str:
    return cell.text + (MARK if cell.mark else "")
