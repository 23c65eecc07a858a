"""Delimited text: CSV, TSV and the like, with quotes where needed and line breaks inside quotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ..issues import Issues
from .table_reader import BLOCK_BYTES, RowName, TableReader, TextBatch, explain_read_errors, open_bytes

_RAGGED = "rows with more or fewer fields than the header"
_ENCODING = "rows that are not UTF-8 text"


class DelimitedReader(TableReader):
    """Reads delimited text. Rows are counted from 1, the header included; empty lines are not counted.

    Args:
        path: the file.
        header: the names of its columns.
        separator: the character between two fields.
        first_row: number of the first row below the header; 1 where the file has none.
    """

    def __init__(self, path: Path, header: list[str], separator: str, *, first_row: int = 2) -> None:
        self.path, self.header, self._separator, self._first_row = path, header, separator, first_row

    def batches(self, names: Sequence[str], issues: Issues, lists: Sequence[str] = ()) -> Iterator[TextBatch]:
        """Stream columns; the text of lists is returned as it is. See `TableReader.batches`."""
        ragged: list[int] = []

        def skip(row: Any) -> str:
            ragged.append(row.number)
            issues.add(_RAGGED, f"row {row.number}")
            return "skip"

        with explain_read_errors(self.path), open_bytes(self.path) as file:
            stream = csv.open_csv(
                file,
                # pyarrow numbers rows in one thread only. The names are given because the header may repeat or indent
                # names.
                csv.ReadOptions(
                    use_threads=False,
                    block_size=BLOCK_BYTES,
                    skip_rows=self._first_row - 1,
                    column_names=self.header,
                ),
                csv.ParseOptions(delimiter=self._separator, newlines_in_values=True, invalid_row_handler=skip),
                csv.ConvertOptions(include_columns=list(names), column_types=dict.fromkeys(names, pa.binary())),
            )
            first = self._first_row
            for batch in stream:
                row_name = partial(_row_name, first, ragged)
                columns = zip(names, batch.columns, strict=True)
                yield TextBatch(row_name, {name: _decode(column, row_name, issues) for name, column in columns})
                first += len(batch)


def _row_name(first: int, ragged: list[int], index: int) -> str:
    """The name of a row by its index in a batch that starts with row `first`; neither counts ragged rows."""
    number = first + index
    for ragged_number in ragged:
        number += ragged_number <= number
    return f"row {number}"


def _decode(column: pa.Array, row_name: RowName, issues: Issues) -> pa.Array:
    """The bytes of a column as text without white space around it; '?' where they are not UTF-8."""
    try:
        texts = column.cast(pa.string())
    except pa.ArrowInvalid:
        texts = pa.array([_decode_cell(cell, row_name, row, issues) for row, cell in enumerate(column.to_pylist())])
    return pc.utf8_trim_whitespace(texts)


def _decode_cell(cell: bytes, row_name: RowName, row: int, issues: Issues) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        issues.add(_ENCODING, row_name(row))
        return "?"
