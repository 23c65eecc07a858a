"""Rows of JSON lines: an object a line. Fields may be missing in some lines, or change their type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...errors import DataError
from ..faults import Faults
from .rows import BLOCK, Batch, Rows, open_bytes, reading

_LINES = 1 << 16
"""Lines in a batch."""

_HEADER_LINES = 100
"""Lines whose keys make up the header."""


class JsonRows(Rows):
    """See `Rows`. Not by pyarrow, which refuses a field whose type changes, as reviews of products have them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        keys: dict[str, None] = {}
        for _, entry in islice(self._entries(Faults()), _HEADER_LINES):
            keys.update(dict.fromkeys(entry))
        self.header = list(keys)

    def _entries(self, faults: Faults) -> Iterator[tuple[int, dict[str, Any]]]:
        with reading(self.path), open_bytes(self.path) as file:
            for number in count(1):
                line = file.readline(BLOCK + 1)
                if not line:
                    return
                if len(line) > BLOCK:
                    raise DataError(f"line {number} of {self.path} has more than {BLOCK:,} bytes; correct it there")
                if not line.strip():
                    continue
                try:
                    entry = json.loads(line.decode("utf-8-sig"))
                except (ValueError, RecursionError):
                    faults.add("lines that are not JSON in UTF-8", f"line {number}")
                    continue
                if isinstance(entry, dict):
                    yield number, entry
                else:
                    faults.add("lines that are no JSON object", f"line {number}")

    def batches(self, names: Sequence[str], faults: Faults, lists: Sequence[str] = ()) -> Iterator[Batch]:
        """See `Rows.batches`."""
        numbers: list[int] = []
        columns: dict[str, list[str | None]] = {name: [] for name in names}
        for number, entry in self._entries(faults):
            numbers.append(number)
            for name in names:
                value = _text(entry.get(name), name in lists)
                if value is _BAD:
                    faults.add(f"values of {name} that are neither text nor a number", f"line {number}")
                    value = "?"
                columns[name].append(value)
            if len(numbers) == _LINES:
                yield _batch(numbers, columns)
                numbers, columns = [], {name: [] for name in names}
        if numbers:
            yield _batch(numbers, columns)


_BAD = "\0"


def _batch(numbers: list[int], columns: dict[str, list[str | None]]) -> Batch:
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return lambda row: f"line {numbers[row]}", texts


def _text(value: Any, may_be_list: bool) -> str | None:
    """A value as text; `_BAD` for a kind that has no place here."""
    if value is None or isinstance(value, str):
        return value if value is None else value.strip()
    if isinstance(value, bool) or (isinstance(value, list | dict) and not may_be_list):
        return _BAD
    return json.dumps(value, ensure_ascii=False)
