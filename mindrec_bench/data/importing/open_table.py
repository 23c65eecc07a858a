"""Open a table file: delimited text (comma, tab, semicolon or bar), JSON lines or Parquet; text may be gzipped.

The format is recognised by the content, not by the file's name.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ...errors import DataError
from .delimited import DelimitedReader
from .json_lines import JsonLinesReader
from .parquet import ParquetReader
from .table_reader import TableReader, explain_read_errors, open_bytes

_HEAD_BYTES = 1 << 20
"""Bytes in which the first line must end."""


def open_table(path: Path, *, has_header: bool = True) -> TableReader:
    """Open a table file.

    Args:
        path: the file.
        has_header: the first row of delimited text names the columns; else they are called 1, 2, and so on.

    Raises:
        DataError: there is no such file, it is empty, or it has another format.
    """
    with explain_read_errors(path):
        if not path.is_file():
            raise DataError(f"there is no file {path}; check the path")
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            return ParquetReader(path)
        with open_bytes(path) as stream:
            head = stream.read(_HEAD_BYTES)
        content = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if not content:
            raise DataError(f"{path} is empty; give a table with a user, an item and a time in each row")
        if head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head:
            raise DataError(
                f"{path} is neither UTF-8 text nor Parquet; save it as CSV, TSV or JSON lines in UTF-8, or as Parquet"
            )
        if content.startswith(b"{"):
            return JsonLinesReader(path)
        if content.startswith(b"["):
            raise DataError(f"{path} is one JSON array; write JSON lines, one object per line")
        names, separator = _first_row(path, head)
        if not has_header:
            return DelimitedReader(path, [str(number) for number in range(1, len(names) + 1)], separator, first_row=1)
        duplicates = sorted({name for name in names if names.count(name) > 1})
        if duplicates:
            raise DataError(f"{path} has several columns called {', '.join(duplicates)}; rename all but one of each")
        return DelimitedReader(path, names, separator)


def _first_row(path: Path, head: bytes) -> tuple[list[str], str]:
    """The fields of the first line, and what separates them."""
    line, end, _ = head.partition(b"\n")
    if not end and len(head) == _HEAD_BYTES:
        raise DataError(f"the first line of {path} has more than {_HEAD_BYTES:,} bytes; correct it there")
    try:
        text = line.decode("utf-8-sig").strip("\r")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text (line 1, byte {error.start}); save it as UTF-8") from error
    separator = max("\t,;|", key=text.count)
    return [name.strip() for name in next(csv.reader(io.StringIO(text), delimiter=separator))], separator
