"""Open a table file: delimited text, JSON lines or Parquet; text may be compressed.

The format is recognised by the content, not by the file's name.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from ...errors import DataError
from .byte_stream import open_bytes
from .delimited import DelimitedReader, FirstRow
from .json_lines import JsonLinesReader
from .parquet import ParquetReader
from .row_blocks import line_end_of
from .table_reader import TableReader, explain_read_errors
from .text_format import TextFormat

_HEAD_BYTES = 1 << 20
"""Bytes in which the first row must end."""

_HEADER_LINES = 100
"""Lines that the names of columns may have."""

_QUOTED_FIELD = re.compile(rb'(^|[\t,;|])"(?:[^"]|"")*"(?=[\t,;|]|$)')
_OPEN_QUOTE = re.compile(rb'(?:^|[\t,;|])"')

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def open_table(path: Path, text: TextFormat | None = None) -> TableReader:
    """Open a table file.

    Args:
        path: the file.
        text: what the user says of a text file.

    Raises:
        DataError: there is no such file, it is empty, or it has another format.
    """
    text = text or TextFormat()
    with explain_read_errors(path):
        if not path.is_file():
            raise DataError(f"there is no file {path}; check the path")
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            return ParquetReader(path)
        head = _read_head(path, text)
        content = head.lstrip(b" \t\r\n")
        if not content:
            raise DataError(f"{path} is empty; give a table with a user, an item and a time in each row")
        if content.startswith(b"{"):
            return JsonLinesReader(path, text)
        if content.startswith(b"["):
            raise DataError(f"{path} is one JSON array; write JSON lines, one object per line")
        first = _first_row(path, head, text)
        duplicates = sorted({name for name in first.names if first.names.count(name) > 1})
        if duplicates:
            raise DataError(f"{path} has several columns called {', '.join(duplicates)}; rename all but one of each")
        return DelimitedReader(path, first, text)


def _read_head(path: Path, text: TextFormat) -> bytes:
    """The beginning of a text file in UTF-8, without a byte order mark."""
    head = b""
    with open_bytes(path, text) as stream:
        while len(head) < _HEAD_BYTES and (data := stream.read(_HEAD_BYTES)):
            head += data
    if text.encoding is None and head[:2] in _UTF16:
        raise DataError(
            f"{path} is neither UTF-8 text nor Parquet but UTF-16; save it as UTF-8{text.hint('encoding utf-16')}"
        )
    if b"\0" in head:
        kinds = {b"PK": " but a zip archive or a spreadsheet", b"PAR1": " but compressed Parquet"}
        kind = next((kind for magic, kind in kinds.items() if head.startswith(magic)), "")
        raise DataError(
            f"{path} is neither UTF-8 text nor Parquet{kind}; unpack it, or save it as CSV, TSV, JSON lines or "
            f"Parquet{text.hint('encoding with its encoding')}"
        )
    return head.removeprefix(b"\xef\xbb\xbf")


def _first_row(path: Path, head: bytes, text: TextFormat) -> FirstRow:
    """The fields of the first row that is not empty, and what separates them."""
    skip = len(head) - len(head.lstrip(b"\r\n"))
    data = head[skip:]
    end = _end_of_row(data, quotes=text.quotes)
    if end is None and len(head) >= _HEAD_BYTES:
        raise DataError(f"the first line of {path} has more than {_HEAD_BYTES:,} bytes; correct it there")
    row = data[:end].rstrip(b"\r\n")
    try:
        line = row.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (line 1, byte {error.start}); save it as UTF-8"
            f"{text.hint('encoding with its encoding, such as latin-1')}"
        ) from error
    separator = text.separator or _guess_separator(line)
    names = _fields(line, separator, quotes=text.quotes)
    if not text.has_header:
        return FirstRow([str(number) for number in range(1, len(names) + 1)], separator, skip, padded=False)
    stripped = [name.strip() for name in names]
    return FirstRow(stripped, separator, skip + (len(data) if end is None else end), padded=stripped != names)


def _end_of_row(data: bytes, *, quotes: bool) -> int | None:
    """Where the first row ends, its line end included; None where it does not end."""
    line_end = line_end_of(data) or b"\n"
    first = end = data.find(line_end)
    for _ in range(_HEADER_LINES if quotes else 0):
        if end < 0 or not _OPEN_QUOTE.search(_QUOTED_FIELD.sub(rb"\1", data[:end].rstrip(b"\r"))):
            break
        end = data.find(line_end, end + 1)
    else:
        end = first  # the quote is stray, which the reader of rows reports
    return None if first < 0 else (end if end >= 0 else first) + 1


def _guess_separator(line: str) -> str:
    """`::`, else the most frequent of tab, comma, semicolon and bar, else a space."""
    if line.count("::") > 1:
        return "::"
    separator = max("\t,;|", key=line.count)
    return separator if separator in line else "::" if "::" in line else " " if " " in line.strip() else ","


def _fields(line: str, separator: str, *, quotes: bool) -> list[str]:
    if len(separator) > 1 or not quotes:
        return line.split(separator)
    try:
        rows = list(csv.reader(io.StringIO(line, newline=""), delimiter=separator))
    except csv.Error:
        return line.split(separator)
    return rows[0] if rows else [line]
