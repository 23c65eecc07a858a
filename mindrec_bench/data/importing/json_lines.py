"""JSON lines: one object per line. Fields may be missing in some lines, or change their type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...errors import DataError
from ..issues import Issues
from .table_reader import BLOCK_BYTES, TableReader, TextBatch, explain_read_errors, open_bytes

_BATCH_LINES = 1 << 16
_HEADER_LINES = 100
"""Lines whose keys make up the header."""


class JsonLinesReader(TableReader):
    """Reads JSON lines without pyarrow, which refuses a field whose type changes, as in published product reviews."""

    def __init__(self, path: Path) -> None:
        self.path = path
        keys: dict[str, None] = {}
        for _, entry in islice(self._entries(Issues()), _HEADER_LINES):
            keys.update(dict.fromkeys(entry))
        self.header = list(keys)

    def _entries(self, issues: Issues) -> Iterator[tuple[int, dict[str, Any]]]:
        """The number and the object of each line."""
        with explain_read_errors(self.path), open_bytes(self.path) as file:
            for number in count(1):
                line = file.readline(BLOCK_BYTES + 1)
                if not line:
                    return
                if len(line) > BLOCK_BYTES:
                    raise DataError(
                        f"line {number} of {self.path} has more than {BLOCK_BYTES:,} bytes; correct it there"
                    )
                if not line.strip():
                    continue
                try:
                    entry = json.loads(line.decode("utf-8-sig"))
                except (ValueError, RecursionError):
                    issues.add("lines that are not JSON in UTF-8", f"line {number}")
                    continue
                if isinstance(entry, dict):
                    yield number, entry
                else:
                    issues.add("lines that are not a JSON object", f"line {number}")

    def batches(self, names: Sequence[str], issues: Issues, lists: Sequence[str] = ()) -> Iterator[TextBatch]:
        """See `TableReader.batches`."""
        numbers: list[int] = []
        columns: dict[str, list[str | None]] = {name: [] for name in names}
        for number, entry in self._entries(issues):
            numbers.append(number)
            for name in names:
                try:
                    columns[name].append(_to_text(entry.get(name), allow_list=name in lists))
                except TypeError:
                    issues.add(f"values of {name} that are neither text nor a number", f"line {number}")
                    columns[name].append("?")
            if len(numbers) == _BATCH_LINES:
                yield _batch(numbers, columns)
                numbers, columns = [], {name: [] for name in names}
        if numbers:
            yield _batch(numbers, columns)


def _batch(numbers: list[int], columns: dict[str, list[str | None]]) -> TextBatch:
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return TextBatch(lambda row: f"line {numbers[row]}", texts)


def _to_text(value: Any, *, allow_list: bool) -> str | None:
    """A value as text.

    Raises:
        TypeError: the value has a type that is not allowed.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool) or (isinstance(value, list | dict) and not allow_list):
        raise TypeError
    return json.dumps(value, ensure_ascii=False)
