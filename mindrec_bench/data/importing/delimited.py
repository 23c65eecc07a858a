"""Rows of delimited text: CSV, TSV and the like, quoted where need be, with line breaks inside quotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from ..faults import Faults
from .rows import BLOCK, Batch, Rows, open_bytes, reading

_RAGGED = "rows with more or fewer fields than the header"
_ENCODING = "rows that are not UTF-8 text"


class DelimitedRows(Rows):
    """See `Rows`. Rows are counted from 1, the header included; empty lines are not.

    Args:
        path: the file.
        header: the names of its columns.
        separator: what stands between two fields.
        first: the number of the first row below the header; 1 where the file has none.
    """

    def __init__(self, path: Path, header: list[str], separator: str, *, first: int = 2) -> None:
        self.path, self.header, self._separator, self._first = path, header, separator, first

    def batches(self, names: Sequence[str], faults: Faults, lists: Sequence[str] = ()) -> Iterator[Batch]:
        """See `Rows.batches`; the text of lists is taken as it is."""
        ragged: list[int] = []

        def skip(row: Any) -> str:
            ragged.append(row.number)
            faults.add(_RAGGED, f"row {row.number}")
            return "skip"

        with reading(self.path), open_bytes(self.path) as file:
            stream = csv.open_csv(
                file,
                # Rows are numbered in one thread only. The names are given since the file may repeat or indent them.
                csv.ReadOptions(
                    use_threads=False, block_size=BLOCK, skip_rows=self._first - 1, column_names=self.header
                ),
                csv.ParseOptions(delimiter=self._separator, newlines_in_values=True, invalid_row_handler=skip),
                csv.ConvertOptions(include_columns=list(names), column_types=dict.fromkeys(names, pa.binary())),
            )
            before = self._first
            for batch in stream:
                first = before

                def place(row: int, first: int = first) -> str:
                    return f"row {_number(first + row, ragged)}"

                columns = zip(names, batch.columns, strict=True)
                yield place, {name: _text(column, place, faults) for name, column in columns}
                before += len(batch)


def _number(row: int, ragged: list[int]) -> int:
    """A row's number in the file, from its number among the rows that are not ragged."""
    for number in ragged:
        row += number <= row
    return row


def _text(column: pa.Array, place: Any, faults: Faults) -> pa.Array:
    """The bytes of a column as trimmed text."""
    try:
        texts = column.cast(pa.string())
    except pa.ArrowInvalid:
        texts = pa.array([_decoded(value, place, row, faults) for row, value in enumerate(column.to_pylist())])
    return pc.utf8_trim_whitespace(texts)


def _decoded(value: bytes, place: Any, row: int, faults: Faults) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        faults.add(_ENCODING, place(row))
        return "?"
