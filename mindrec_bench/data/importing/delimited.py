"""Delimited text: CSV, TSV and the like, with quotes where needed and line breaks inside quotes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ...errors import DataError
from ..issues import Issues
from . import row_blocks
from .byte_stream import open_bytes
from .table_reader import RowName, TableReader, TextBatch, explain_read_errors
from .text_format import TextFormat

logger = logging.getLogger(__name__)

_RAGGED = "rows with more or fewer fields than the header"
_ENCODING = "rows that are not UTF-8 text"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONG_SEPARATOR = b"\x1f"
"""Takes the place of a separator of several characters, which pyarrow does not know."""


class FirstRow(NamedTuple):
    """What the first row of a file says.

    Attributes:
        names: the names of the columns, or their numbers where the file has no header.
        separator: what separates two fields.
        skip: bytes before the first row of data, after a byte order mark.
        padded: the names have white space around them, so that all cells may.
    """

    names: list[str]
    separator: str
    skip: int
    padded: bool


class DelimitedReader(TableReader):
    """Reads delimited text. Rows are counted from 1, the header included; empty lines are not counted.

    Args:
        path: the file.
        first: what its first row says.
        text: what the user says of the file.
    """

    def __init__(self, path: Path, first: FirstRow, text: TextFormat) -> None:
        self.path, self.header, self._first, self._text = path, first.names, first, text
        self._is_long = len(first.separator.encode()) > 1
        self._delimiter = _LONG_SEPARATOR if self._is_long else first.separator.encode()

    def batches(
        self, names: Sequence[str], issues: Issues, *, lists: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> Iterator[TextBatch]:
        """Stream columns; the text of lists is returned as it is. See `TableReader.batches`."""
        row, row_like = 2 if self._text.has_header else 1, 0
        with explain_read_errors(self.path):
            for block in self._blocks():
                if block.row_like is not None and not row_like:
                    logger.warning(
                        f"line {block.row_like} of {self.path} is inside a quoted field and looks like a row; if a "
                        f"quote before it is stray, correct it{self._text.hint('no-quotes')}"
                    )
                row_like += block.n_row_like
                ragged: list[int] = []
                table = self._parse(block.data, names, row, ragged, issues)
                row_name = partial(_row_name, row, ragged)
                columns = {name: self._decode(table[name], row_name, issues) for name in names}
                row += len(table) + len(ragged)
                yield TextBatch(row_name, columns)

    def holds_rows(self, text: str) -> bool:
        """See `TableReader.holds_rows`."""
        separators = len(self.header) - 1
        return separators > 0 and any(line.count(self._first.separator) >= separators for line in text.split("\n")[1:])

    def _blocks(self) -> Iterator[row_blocks.Block]:
        skip = self._first.skip
        with open_bytes(self.path, self._text) as stream:
            source = row_blocks.split_rows(
                _WithoutMark(stream),
                self.path,
                self._text,
                self._first.separator.encode()[:1],
                len(self.header),
                block_bytes=row_blocks.BLOCK_BYTES,
            )
            for block in source:
                data, skip = block.data[skip:], max(0, skip - len(block.data))
                if data.strip(b"\r\n"):
                    yield block._replace(data=data)

    def _parse(self, data: bytes, names: Sequence[str], first: int, ragged: list[int], issues: Issues) -> pa.Table:
        def skip(row: Any) -> str:
            ragged.append(first + row.number - 1)
            issues.add(_RAGGED, f"row {ragged[-1]}")
            return "skip"

        if self._is_long:
            if _LONG_SEPARATOR in data:
                raise DataError(f"{self.path} holds the control character 0x1F; remove it, or use another separator")
            data = data.replace(self._first.separator.encode(), _LONG_SEPARATOR)
        if data.startswith(_BYTE_ORDER_MARK):
            data = _BYTE_ORDER_MARK + data  # pyarrow takes the first one for that of a file; here it begins an id
        # One block at a time and in this thread: pyarrow numbers rows in one thread only, and no thread of its own is
        # left reading when an error ends the process. It can't hand over a row that is not UTF-8: it prints a traceback
        # then, and refuses the file as it does without a handler.
        return csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=self.header),
            csv.ParseOptions(
                delimiter=self._delimiter.decode(),
                quote_char='"' if self._text.quotes else False,
                newlines_in_values=True,
                invalid_row_handler=skip if _is_utf8(data) else None,
            ),
            csv.ConvertOptions(include_columns=list(names), column_types=dict.fromkeys(names, pa.binary())),
        )

    def _decode(self, column: pa.ChunkedArray, row_name: RowName, issues: Issues) -> pa.Array:
        """The bytes of a column as text; '?' where they are not UTF-8."""
        cells = column.combine_chunks()
        try:
            texts = cells.cast(pa.string())
        except pa.ArrowInvalid:
            issues.advise(f"save it as UTF-8{self._text.hint('encoding with their encoding, such as latin-1')}")
            texts = pa.array([_decode_cell(cell, row_name, row, issues) for row, cell in enumerate(cells.to_pylist())])
        return pc.utf8_trim_whitespace(texts) if self._first.padded else texts


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class _WithoutMark:
    """A stream without the byte order mark that it may begin with."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._started = stream, False

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        if not self._started:
            self._started = True
            while 0 < len(data) < 3 and (more := self._stream.read(size)):
                data += more
            return data.removeprefix(_BYTE_ORDER_MARK)
        return data


def _row_name(first: int, ragged: list[int], index: int) -> str:
    """The name of a row by its index in a batch that starts with row `first`; the index does not count ragged rows."""
    number = first + index
    for ragged_number in ragged:
        number += ragged_number <= number
    return f"row {number}"


def _decode_cell(cell: bytes, row_name: RowName, row: int, issues: Issues) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        issues.add(_ENCODING, row_name(row))
        return "?"
