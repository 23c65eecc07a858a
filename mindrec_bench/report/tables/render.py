"""Tables in every format, as one text or as one file per table."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from ...io.atomic import atomic_write
from ...io.printable import printable
from ..text_table import TEXT_WIDTH
from .csv_json import to_csv, to_dict
from .html import to_html
from .latex import to_latex
from .markdown import to_markdown
from .table import Table
from .terminal import to_text

TableFormat = Literal["text", "github", "latex", "html", "csv", "json"]
FILE_ENDINGS: dict[TableFormat, str] = {
    "text": "txt",
    "github": "md",
    "latex": "tex",
    "html": "html",
    "csv": "csv",
    "json": "json",
}


def render_tables(
    tables: Sequence[Table],
    table_format: TableFormat,
    *,
    with_intervals: bool = False,
    colour: bool = False,
    width: int = TEXT_WIDTH,
    quote_formulas: bool = True,
) -> str:
    """All tables as one text that ends in a line break; control characters in names are escaped (`io.printable`).

    Args:
        tables: the tables.
        table_format: a key of `FILE_ENDINGS`.
        with_intervals: show bootstrap 95% intervals where they were computed; CSV and JSON always have them.
        colour, width: see `to_text`.
        quote_formulas: see `to_csv`.
    """
    if table_format == "html":
        return printable(to_html(tables, with_intervals=with_intervals))
    if table_format == "json":
        return printable(json.dumps([to_dict(table) for table in tables], indent=2, ensure_ascii=False) + "\n")
    renderers: dict[TableFormat, Callable[[Table], str]] = {
        "text": partial(to_text, with_intervals=with_intervals, colour=colour, width=width),
        "github": partial(to_markdown, with_intervals=with_intervals),
        "latex": partial(to_latex, with_intervals=with_intervals),
        "csv": partial(to_csv, quote_formulas=quote_formulas),
    }
    render = renderers[table_format]
    return printable("\n\n".join(render(table).rstrip("\n") for table in tables) + "\n")


def save_tables(
    tables: Sequence[Table],
    folder: Path,
    table_format: TableFormat,
    *,
    with_intervals: bool = False,
    quote_formulas: bool = True,
) -> tuple[Path, ...]:
    """Write one file per table, `<name>.<ending>`; the arguments are those of `render_tables`.

    Returns:
        The paths.

    Raises:
        MrbenchError: the folder can't be written.
    """
    paths = []
    for table in tables:
        paths.append(folder / f"{table.spec.name}.{FILE_ENDINGS[table_format]}")
        text = render_tables([table], table_format, with_intervals=with_intervals, quote_formulas=quote_formulas)
        _write_text(paths[-1], text)
    return tuple(paths)


def _write_text(path: Path, text: str) -> None:
    atomic_write(path, lambda file: file.write(text.encode()), option="--out")
