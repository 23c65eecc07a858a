"""Parquet files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...errors import DataError
from ..issues import Issues
from .table_reader import TableReader, TextBatch, explain_read_errors

_BATCH_ROWS = 1 << 16


class ParquetReader(TableReader):
    """Reads Parquet. Rows are counted from 1; times come as seconds, whatever their type."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with explain_read_errors(path):
            self._file = pq.ParquetFile(path)
        self.header = self._file.schema_arrow.names

    def batches(self, names: Sequence[str], issues: Issues, lists: Sequence[str] = ()) -> Iterator[TextBatch]:
        """See `TableReader.batches`."""
        for name in names:
            dtype = self._file.schema_arrow.field(name).type
            if (pa.types.is_nested(dtype) and name not in lists) or pa.types.is_boolean(dtype):
                raise DataError(f"the column {name} of {self.path} holds {dtype}; it must hold texts or numbers")
        with explain_read_errors(self.path):
            first = 1
            for batch in self._file.iter_batches(_BATCH_ROWS, columns=list(names)):
                columns = {name: _to_text(batch.column(name)) for name in names}
                yield TextBatch(lambda row, first=first: f"row {first + row}", columns)  # type: ignore[misc]
                first += len(batch)


def _to_text(column: pa.Array) -> pa.Array:
    """A column of any type as text."""
    dtype = column.type
    if pa.types.is_dictionary(dtype):
        return _to_text(column.dictionary_decode())
    if pa.types.is_nested(dtype):
        return pa.array([None if row is None else json.dumps(row, default=str) for row in column.to_pylist()])
    if pa.types.is_timestamp(dtype):
        column = pc.divide(column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.float64()), 1e6)
    elif pa.types.is_date(dtype):
        column = pc.multiply(column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), 86_400)
    if pa.types.is_floating(column.type):
        column = _to_integers(column)
    return pc.utf8_trim_whitespace(column.cast(pa.string()))


def _to_integers(column: pa.Array) -> pa.Array:
    """Make 7.0 into 7 where all values are whole: how table libraries store whole numbers beside missing ones."""
    values = pc.if_else(pc.is_finite(column), column, None)
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        return values.cast(pa.float64())
