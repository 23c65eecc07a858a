"""Tables of text, aligned by `tabulate`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Sequence
from unicodedata import east_asian_width

from tabulate import TableFormat, tabulate

from ..io.printable import CONTROLS

TEXT_WIDTH = 100
"""Characters in a line of sentences, where nothing is known of the terminal."""

MIN_CELL = 8
"""Characters that `shorten_columns` leaves of a cell."""

_CONTROL_CHARACTERS = re.compile(rf"(?:(?!\x1b\[[\d;]*m)(?:{CONTROLS}|[\t\n]))+")
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


def shorten_columns(
    rows: Sequence[Sequence[str]], headings: Sequence[str], *, width: int, shorten: Collection[int]
) -> list[list[str]]:
    """Cut the longest cells of some columns, with an ellipsis, so that a line of `format_columns` fits.

    Args:
        rows: all of the same length.
        headings: of the columns.
        width: characters in a line.
        shorten: indices of the columns that may be cut, down to `MIN_CELL` characters each.

    Returns:
        The rows.
    """
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    while sum(widths) + 2 * (len(widths) - 1) > width:
        longest = max(shorten, key=lambda index: widths[index])
        if widths[longest] <= MIN_CELL:
            break
        widths[longest] -= 1
    return [
        [cell if len(cell) <= limit else f"{cell[: limit - 1]}…" for cell, limit in zip(row, widths, strict=True)]
        for row in rows
    ]


def wrap_sentences(text: str, width: int) -> str:
    """Break lines that are too long at spaces; lines of a table, which have two spaces in a row, and commands stay."""
    lines = []
    for line in text.split("\n"):
        body = line.lstrip(" ")
        indent = line[: len(line) - len(body)]
        if len(line) <= width or "  " in body or "mrbench " in body:
            lines.append(line)
        else:
            lines += textwrap.wrap(
                body, width, initial_indent=indent, subsequent_indent=indent,
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
    return "\n".join(lines)


def _fill(cell: str) -> str:
    one_line = _CONTROL_CHARACTERS.sub(" ", cell)
    # `tabulate` itself measures wide characters only where `wcwidth` is installed.
    return "".join(f"{char}{_FILLER}" if east_asian_width(char) in "WF" else char for char in one_line)
