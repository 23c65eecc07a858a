"""Tables of text, aligned by `tabulate`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import east_asian_width

from tabulate import TableFormat, tabulate

TEXT_WIDTH = 100
"""Characters in a line of sentences, where nothing is known of the terminal."""

_CONTROL_CHARACTERS = re.compile(r"(?:(?!\x1b\[[\d;]*m)[\x00-\x1f\x7f-\x9f\u2028\u2029])+")
"""Line breaks and all other control characters, except in the escape codes of colours."""

_FILLER = "\0"
"""Stands behind a character that takes two columns of a terminal, so that its length is its width."""


def format_table(
    rows: Sequence[Sequence[str]],
    table_format: str | TableFormat,
    *,
    headings: Sequence[str] = (),
    n_left: int = 1,
) -> list[str]:
    """Align a table, and leave its cells as they are; only control characters become spaces.

    Args:
        rows: all of the same length.
        table_format: see `tabulate.tabulate`.
        headings: of the columns, which `tabulate` makes two characters wider than the heading.
        n_left: so many columns are aligned left, the others right.

    Returns:
        The lines.
    """
    text = tabulate(
        [[_fill(cell) for cell in row] for row in rows],
        [_fill(heading) for heading in headings],
        table_format,
        disable_numparse=True,
        preserve_whitespace=True,
        colglobalalign="right",
        colalign=["left"] * n_left,
    )
    return text.replace(_FILLER, "").split("\n") if rows or headings else []


def format_columns(
    rows: Sequence[Sequence[str]], headings: Sequence[str] | None = None, *, n_left: int = 1
) -> list[str]:
    """Align columns for a terminal, two spaces apart; those that are empty in all rows are left out.

    Args:
        rows: all of the same length.
        headings: of the columns; None for a table without headings.
        n_left: so many columns are aligned left, the others right.

    Returns:
        The lines.
    """
    shown = [index for index, column in enumerate(zip(*rows, strict=True)) if any(column)]
    lines = rows if headings is None else [headings, *rows]
    return format_table(
        [[line[index] for index in shown] for line in lines], "plain", n_left=sum(index < n_left for index in shown)
    )


def _fill(cell: str) -> str:
    one_line = _CONTROL_CHARACTERS.sub(" ", cell)
    # `tabulate` itself measures wide characters only where `wcwidth` is installed.
    return "".join(f"{char}{_FILLER}" if east_asian_width(char) in "WF" else char for char in one_line)
