"""Read a table of any usual kind as a stream of text columns; the kind is told by the content, not by the name.

Delimited text (comma, tab, semicolon or bar), JSON lines, or Parquet; text may be gzipped. Never is more than one block
of a file in memory.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from ..data.faults import Faults
from ..errors import DataError

BLOCK = 8 << 20
"""Bytes read at once, and the longest line or quoted field."""

_HEAD = 1 << 20
"""Bytes in which the first line must end."""

Batch = tuple[Callable[[int], str], dict[str, pa.Array]]
"""Names the place of the i-th row of the batch (`row 7`), and gives its columns, all of texts; null where empty."""


class Rows(ABC):
    """A table file that is open for reading.

    Attributes:
        path: the file.
        header: the names of its columns.
    """

    path: Path
    header: list[str]

    @abstractmethod
    def batches(self, names: Sequence[str], faults: Faults, lists: Sequence[str] = ()) -> Iterator[Batch]:
        """Stream some columns.

        Args:
            names: which.
            faults: gets rows that can't be read, which are left out.
            lists: those of them that may hold lists, which come as JSON text.

        Raises:
            DataError: the file can't be read on.
        """


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


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked where it is gzipped."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the readers raise into one sentence.

    Raises:
        DataError: says why the file can't be read.
    """
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is cut short or damaged inside its gzip packing ({error}); get it again") from error
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())
        if "straddling" in reason:
            raise DataError(
                f"{path} has a line longer than {BLOCK:,} bytes, or a quote that is never closed; correct it there"
            ) from error
        raise DataError(f"{path} can't be read ({reason}); get or write it again") from error
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} can't be read ({reason}); check the file and its permissions") from error
