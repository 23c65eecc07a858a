"""Open a table of any usual kind as a stream of text columns; the kind is told by the content, not by the name."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ...errors import DataError
from .rows import Rows, open_bytes, reading

_HEAD = 1 << 20
"""Bytes in which the first line must end."""


def open_rows(path: Path, *, has_header: bool = True) -> Rows:
    """Open a table file.

    Args:
        path: the file.
        has_header: the first row of delimited text names the columns; else they are called 1, 2, and so on.

    Raises:
        DataError: there is no such file, it is empty, or it is none of the kinds.
    """
    from .delimited import DelimitedRows
    from .json_lines import JsonRows
    from .parquet import ParquetRows

    with reading(path):
        if not path.is_file():
            raise DataError(f"there is no file {path}; check the path")
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            return ParquetRows(path)
        with open_bytes(path) as stream:
            head = stream.read(_HEAD)
        kind, first = ("utf-8-sig", head.lstrip(b"\xef\xbb\xbf \t\r\n"))
        if not first:
            raise DataError(f"{path} is empty; give a table with a user, an item and a time in each row")
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head:
            raise DataError(
                f"{path} is neither UTF-8 text nor Parquet; save it as CSV, TSV or JSON lines in UTF-8, or as Parquet"
            )
        if first[:1] == b"{":
            return JsonRows(path)
        if first[:1] == b"[":
            raise DataError(f"{path} is one JSON array; write JSON lines, an object a line")
        names, separator = _first_row(path, head, kind)
        if not has_header:
            return DelimitedRows(path, [str(number) for number in range(1, len(names) + 1)], separator, first=1)
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise DataError(f"{path} has several columns called {', '.join(doubled)}; rename all but one of each")
        return DelimitedRows(path, names, separator)


def _first_row(path: Path, head: bytes, encoding: str) -> tuple[list[str], str]:
    """The fields of the first line, and what separates them."""
    line, end, _ = head.partition(b"\n")
    if not end and len(head) == _HEAD:
        raise DataError(f"the first line of {path} has more than {_HEAD:,} bytes; correct it there")
    try:
        text = line.decode(encoding).strip("\r")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (line 1, byte {error.start}); save it as UTF-8") from error
    separator = max("\t,;|", key=text.count)
    return [name.strip() for name in next(csv.reader(io.StringIO(text), delimiter=separator))], separator
