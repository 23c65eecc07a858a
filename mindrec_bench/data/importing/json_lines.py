"""JSON lines: one object per line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...io.json_files import RepeatedKeyError, unique_keys
from ..issues import Issues
from . import row_blocks
from .byte_stream import open_bytes
from .numbers_as_text import JsonNumber, is_inexact, number_text
from .table_reader import TableReader, TextBatch, explain_read_errors
from .text_format import TextFormat

_BATCH_LINES = 1 << 16
_HEADER_LINES = 100
"""Lines whose keys make up the header."""

_DECODER = json.JSONDecoder(parse_float=JsonNumber, object_pairs_hook=unique_keys)
"""Keeps numbers as the file has them: a float64 would merge some."""


class JsonLinesReader(TableReader):
    """Reads JSON lines without pyarrow, which refuses a field whose type changes, as in published product reviews."""

    def __init__(self, path: Path, text: TextFormat) -> None:
        self.path, self._text = path, text
        keys: dict[str, None] = {}
        issues = Issues()
        for _, entry in islice(self._entries(issues), _HEADER_LINES):
            keys.update(dict.fromkeys(entry))
        if not keys:
            issues.check(path)
        self.header = list(keys)

    def _entries(self, issues: Issues) -> Iterator[tuple[int, dict[str, Any]]]:
        """The number and the object of each line."""
        with explain_read_errors(self.path), open_bytes(self.path, self._text) as stream:
            for block in row_blocks.read_lines(stream, self.path, block_bytes=row_blocks.BLOCK_BYTES):
                for number, line in enumerate(block.data.split(b"\n"), block.line):
                    if not line.strip():
                        continue
                    try:
                        entry = _DECODER.decode(line.decode("utf-8-sig").strip())
                    except RepeatedKeyError as error:
                        issues.add("lines that have a key twice", f"line {number}: '{error}'")
                        continue
                    except (ValueError, RecursionError):
                        issues.add("lines that are not JSON in UTF-8", f"line {number}")
                        continue
                    if isinstance(entry, dict):
                        yield number, entry
                    else:
                        issues.add("lines that are not a JSON object", f"line {number}")

    def batches(
        self, names: Sequence[str], issues: Issues, *, lists: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> Iterator[TextBatch]:
        """See `TableReader.batches`."""
        numbers: list[int] = []
        columns: dict[str, list[str | None]] = {name: [] for name in names}
        for number, entry in self._entries(issues):
            numbers.append(number)
            for name in names:
                value = entry.get(name)
                if isinstance(value, JsonNumber) and name in ids and is_inexact(value):
                    issues.add(
                        f"ids in the field {name} that have been through a float of 2^53 or more", f"line {number}"
                    )
                try:
                    columns[name].append(_to_text(value, allow_list=name in lists))
                except (TypeError, ValueError):
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
        ValueError: a text with half a surrogate pair, which is no text.
    """
    if value is None or isinstance(value, float):  # NaN and Infinity, which JSON does not have
        return None
    if isinstance(value, JsonNumber):
        return number_text(value)
    if isinstance(value, str):
        value.encode()
        return value
    if isinstance(value, bool) or (isinstance(value, list | dict) and not allow_list):
        raise TypeError
    return json.dumps(value, ensure_ascii=False)
