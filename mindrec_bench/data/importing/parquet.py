"""Rows of a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...errors import DataError
from ..faults import Faults
from .rows import Batch, Rows, reading

_ROWS = 1 << 16
"""Rows in a batch."""


class ParquetRows(Rows):
    """See `Rows`. Rows are counted from 1; times come as seconds, whatever their type."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path):
            self._file = pq.ParquetFile(path)
        self.header = self._file.schema_arrow.names

    def batches(self, names: Sequence[str], faults: Faults, lists: Sequence[str] = ()) -> Iterator[Batch]:
        """See `Rows.batches`."""
        for name in names:
            kind = self._file.schema_arrow.field(name).type
            if (pa.types.is_nested(kind) and name not in lists) or pa.types.is_boolean(kind):
                raise DataError(f"the column {name} of {self.path} holds {kind}; it must hold texts or numbers")
        with reading(self.path):
            before = 1
            for batch in self._file.iter_batches(_ROWS, columns=list(names)):
                first = before
                columns = {name: _text(batch.column(name)) for name in names}
                yield lambda row, first=first: f"row {first + row}", columns  # type: ignore[misc]
                before += len(batch)


def _text(column: pa.Array) -> pa.Array:
    """A column of any type as text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _text(column.dictionary_decode())
    if pa.types.is_nested(kind):
        return pa.array([None if row is None else json.dumps(row, default=str) for row in column.to_pylist()])
    if pa.types.is_timestamp(kind):
        column = pc.divide(column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).cast(pa.float64()), 1e6)
    elif pa.types.is_date(kind):
        column = pc.multiply(column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), 86_400)
    if pa.types.is_floating(column.type):
        column = _whole(column)
    return pc.utf8_trim_whitespace(column.cast(pa.string()))


def _whole(column: pa.Array) -> pa.Array:
    """Ids that stand as 7.0, as a table library writes whole numbers beside missing ones, become 7."""
    values = pc.if_else(pc.is_finite(column), column, None)
    try:
        return values.cast(pa.int64())
    except pa.ArrowInvalid:
        return values.cast(pa.float64())
