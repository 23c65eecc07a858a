"""Parquet files."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from ...errors import DataError
from ...io.parquet_files import open_parquet
from ..issues import Issues
from .numbers_as_text import column_text, inexact_rows
from .table_reader import TableReader, TextBatch, explain_read_errors

logger = logging.getLogger(__name__)

_BATCH_ROWS = 1 << 16


class ParquetReader(TableReader):
    """Reads Parquet. Rows are counted from 1; times come as dates, whatever their unit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with explain_read_errors(path):
            self._file = open_parquet(path)
        self.header = self._file.schema_arrow.names

    def batches(
        self, names: Sequence[str], issues: Issues, *, lists: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> Iterator[TextBatch]:
        """See `TableReader.batches`."""
        for name in names:
            dtype = self._file.schema_arrow.field(name).type
            wrong = pa.types.is_boolean(dtype) or pa.types.is_time(dtype) or pa.types.is_duration(dtype)
            if wrong or (pa.types.is_nested(dtype) and name not in lists):
                raise DataError(f"the column {name} of {self.path} holds {dtype}; it must hold texts or numbers")
        warned: set[str] = set()
        with explain_read_errors(self.path):
            first = 1
            for batch in self._file.iter_batches(_BATCH_ROWS, columns=list(names), use_threads=False):
                for name in names:
                    self._check_exact(name, batch.column(name), first, issues if name in ids else None, warned)
                columns = {name: column_text(batch.column(name)) for name in names}
                yield TextBatch(lambda row, first=first: f"row {first + row}", columns)  # type: ignore[misc]
                first += len(batch)

    def _check_exact(self, name: str, column: pa.Array, first: int, issues: Issues | None, warned: set[str]) -> None:
        """Refuse large whole numbers as floats where they are ids; of other columns, log them once."""
        rows = inexact_rows(column)
        kind = f"ids in the column {name} that have been through a float, which merges neighbours from 2^53 on"
        for row in rows if issues is not None else ():
            issues.add(kind, f"row {first + row}")  # type: ignore[union-attr]
        if rows and issues is not None:
            issues.advise(f"write the column {name} as integers or text")
        elif rows and name not in warned:
            warned.add(name)
            logger.warning(
                f"the column {name} of {self.path} holds whole numbers of 2^53 and more as floats, which may have "
                f"merged neighbours (row {first + rows[0]}); write it as integers"
            )
