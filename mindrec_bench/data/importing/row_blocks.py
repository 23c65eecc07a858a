"""Cut delimited text into blocks of whole rows, and refuse quotes that would swallow rows.

A quoted field begins with a quote right after a separator or a line end, and ends with one right before a separator or
a line end; quotes inside it are doubled. A quote inside a field that does not begin with one is an ordinary character.
Anything else is refused: readers differ in what they make of it, and most join rows in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .byte_stream import ByteStream
from .text_format import TextFormat

BLOCK_BYTES = 8 << 20
"""Bytes read at once, and the longest line or quoted field."""

_FIRST_LINE_END = re.compile(rb"\r*\n|\r")

_QUOTE, _LINE_ENDS = ord('"'), (10, 13)


class Block(NamedTuple):
    """Whole rows.

    Attributes:
        data: their bytes; the last line end of the file may be missing.
        line: the number of the first line.
        row_like: the number of the first line inside a quoted field that looks like a row of its own, if any.
        n_row_like: how many such lines there are.
    """

    data: bytes
    line: int
    row_like: int | None = None
    n_row_like: int = 0


class _StrayQuoteError(Exception):
    """A quoted field that does not end at a separator or line end; `position` is that of its first quote."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def read_lines(stream: ByteStream, path: Path, *, block_bytes: int) -> Iterator[Block]:
    """Blocks of whole lines, in which quotes mean nothing."""
    return split_rows(stream, path, TextFormat(quotes=False), b",", 1, block_bytes=block_bytes)


def split_rows(
    stream: ByteStream, path: Path, text: TextFormat, separator: bytes, n_fields: int, *, block_bytes: int
) -> Iterator[Block]:
    """Cut a stream into blocks of whole rows.

    Args:
        stream: the text; its lines may end in LF, CR LF or CR.
        path: the file, for messages.
        text: whether quotes have a meaning.
        separator: one byte.
        n_fields: fields of a row.
        block_bytes: how much to read at once, and the longest row.

    Raises:
        DataError: a row is too long, or a quote is stray or never closed.
    """
    rest, line, line_end = b"", 1, b""
    while True:
        data = stream.read(block_bytes)
        final = not data
        line_end = line_end or line_end_of(data)
        # Where no LF was met, CRs are line ends: as LF, all code below knows them.
        rest = (rest + data).replace(b"\r", b"\n") if line_end == b"\r" else rest + data
        if final and not rest:
            return
        toggles = np.empty(0, dtype=np.int64)
        if text.quotes and b'"' in rest:
            try:
                toggles = _quoted_fields(rest, separator[0], final=final)
            except _StrayQuoteError as error:
                number = line + rest.count(b"\n", 0, error.position)
                raise DataError(
                    f"line {number} of {path} has a quoted field that does not end at a separator or line end; close "
                    f"the quote or double the quotes inside the field"
                    f"{text.hint('no-quotes, which makes quotes ordinary characters')}"
                ) from None
        end = len(rest) if final else _end_of_rows(rest, toggles)
        if final and len(toggles) % 2:
            number = line + rest.count(b"\n", 0, int(toggles[-1]))
            raise DataError(
                f"line {number} of {path} has an unclosed quote; close it"
                f"{text.hint('no-quotes, which makes quotes ordinary characters')}"
            )
        if not end and len(rest) > block_bytes:
            raise DataError(
                f"line {line} of {path} has more than {block_bytes:,} bytes, or an unclosed quote; correct it there"
            )
        if end:
            row_like = _row_like_lines(rest[:end], toggles, separator[0], n_fields)
            first = line + rest.count(b"\n", 0, int(row_like[0])) + 1 if len(row_like) else None
            yield Block(rest[:end], line, first, len(row_like))
            line += rest.count(b"\n", 0, end)
            rest = rest[end:]
        if final:
            return


def line_end_of(data: bytes) -> bytes:
    """LF or CR, by the first line of a text; LF for CR LF, and empty where the first line does not end yet."""
    first = _FIRST_LINE_END.search(data)
    if first is None or (first[0] == b"\r" and first.end() == len(data)):
        return b""
    return first[0][-1:]


def _end_of_rows(data: bytes, toggles: NDArray[np.int64]) -> int:
    """Where the last whole row ends; 0 where none does."""
    end = data.rfind(b"\n") + 1
    while end and (inside := int(np.searchsorted(toggles, end - 1))) % 2:
        end = data.rfind(b"\n", 0, int(toggles[inside - 1])) + 1
    return end


def _quoted_fields(data: bytes, separator: int, *, final: bool) -> NDArray[np.int64]:
    """The positions at which quoted fields begin and end, in turn; a last one that does not end yet has one only.

    Raises:
        _StrayQuoteError: a quoted field ends at something else than a separator or line end.
    """
    characters = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(characters == _QUOTE)
    first = np.concatenate([[True], np.diff(quotes) > 1])
    starts = quotes[first]
    ends = quotes[np.concatenate([first[1:], [True]])] + 1
    if not final and ends[-1] == len(data):  # the next block may begin with a quote that belongs to these
        starts, ends = starts[:-1], ends[:-1]
        last = _quoted_fields_of_runs(characters, starts, ends, separator)
        return last if len(last) % 2 else np.append(last, len(data) - 1)
    return _quoted_fields_of_runs(characters, starts, ends, separator)


def _quoted_fields_of_runs(
    characters: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], separator: int
) -> NDArray[np.int64]:
    """As `_quoted_fields`, of runs of quotes from `starts` to `ends`.

    An odd run begins or ends a field; an even one stands for quotes in a field, or for an empty field.
    """
    if not len(starts):
        return starts
    is_border = np.zeros(256, dtype=bool)
    is_border[[separator, *_LINE_ENDS]] = True
    before = is_border[characters[starts - 1]] | (starts == 0)
    after = is_border[characters[np.minimum(ends, len(characters) - 1)]] | (ends == len(characters))
    odd = (ends - starts) % 2 == 1
    inside = (np.cumsum(odd) - odd) % 2 == 1
    # Without ordinary quotes in fields, odd runs begin and end fields in turn.
    if np.where(inside, ~odd | after, before & (odd | after)).all():
        toggles: NDArray[np.int64] = starts[odd]
        return toggles
    return _walk(starts.tolist(), before.tolist(), after.tolist(), odd.tolist())


def _walk(starts: list[int], before: list[bool], after: list[bool], odd: list[bool]) -> NDArray[np.int64]:
    """As `_quoted_fields_of_runs`, one run after the other, in text with ordinary quotes."""
    toggles: list[int] = []
    for start, begins, ends, is_odd in zip(starts, before, after, odd, strict=True):
        inside = len(toggles) % 2 == 1
        if not inside and not begins:
            continue
        if not ends and (is_odd if inside else not is_odd):
            raise _StrayQuoteError(toggles[-1] if inside else start)
        if is_odd:
            toggles.append(start)
    return np.array(toggles, dtype=np.int64)


def _row_like_lines(data: bytes, toggles: NDArray[np.int64], separator: int, n_fields: int) -> NDArray[np.int64]:
    """The line ends inside quoted fields after which as many separators follow on the line as a row has."""
    if not len(toggles) or n_fields < 2:
        return np.empty(0, dtype=np.int64)
    characters = np.frombuffer(data, dtype=np.uint8)
    lines = np.flatnonzero(characters == _LINE_ENDS[0])
    field = np.searchsorted(toggles, lines)
    inside = np.flatnonzero(field % 2 == 1)
    if not len(inside):
        return np.empty(0, dtype=np.int64)
    separators = np.flatnonzero(characters == separator)
    bounds = np.append(toggles, len(data))
    next_line = np.append(lines, len(data))[inside + 1]
    stop = np.minimum(next_line, bounds[field[inside]])
    counts = np.searchsorted(separators, stop) - np.searchsorted(separators, lines[inside])
    found: NDArray[np.int64] = lines[inside[counts >= n_fields - 1]]
    return found
