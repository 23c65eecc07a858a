"""Numbers of typed formats as the text of ids and times: one form for each number, whatever its type."""

from __future__ import annotations

import json
import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

EXACT = 2**53
"""From here on float64 does not hold every whole number."""

_EXACT_BY_TYPE = {pa.float16(): 2**11, pa.float32(): 2**24, pa.float64(): EXACT}


class JsonNumber(str):
    """A number of JSON with a point or an exponent, as the file has it."""

    __slots__ = ()


def number_text(text: str) -> str:
    """The text of a number; a whole one as an integer: 7.0 is 7.

    Args:
        text: a number of JSON.
    """
    from decimal import Decimal

    number = Decimal(text)
    if number == number.to_integral_value() and abs(number) < 10**38:
        return str(int(number))
    return json.dumps(float(text)) if number.is_finite() else text


def is_inexact(text: str) -> bool:
    """Whether a number of JSON with a point or an exponent may have lost digits in a float64."""
    return abs(float(text)) >= EXACT


def column_text(column: pa.Array) -> pa.Array:
    """A column of any type as text.

    Whole numbers are written as integers whatever their type, times as dates in UTC, lists as JSON.
    """
    dtype = column.type
    if isinstance(dtype, pa.BaseExtensionType):
        if getattr(dtype, "extension_name", "") == "arrow.uuid":
            return pa.array([_uuid_text(value) for value in column.storage.to_pylist()], pa.string())
        return column_text(column.storage)
    if pa.types.is_dictionary(dtype):
        return column_text(column.dictionary_decode())
    if pa.types.is_nested(dtype):
        texts = [
            None if row is None else json.dumps(row, default=str, ensure_ascii=False) for row in column.to_pylist()
        ]
        return pa.array(texts, pa.string())
    if pa.types.is_timestamp(dtype):
        return column.cast(pa.timestamp(dtype.unit)).cast(pa.string())
    if pa.types.is_date64(dtype):
        return column.cast(pa.date32()).cast(pa.string())
    if pa.types.is_floating(dtype):
        return _float_text(column.cast(pa.float64()))
    if pa.types.is_decimal(dtype):
        return pc.replace_substring_regex(column.cast(pa.string()), r"\.0+$", "")
    return column.cast(pa.string())


def _uuid_text(value: Any) -> str | None:
    return None if value is None else str(uuid.UUID(bytes=value) if isinstance(value, bytes) else value)


def _float_text(column: pa.Array) -> pa.Array:
    """Whole numbers as integers, others as Python writes them; null where they are not finite."""
    finite = pc.if_else(pc.is_finite(column), column, None)
    try:
        return finite.cast(pa.int64()).cast(pa.string())
    except pa.ArrowInvalid:
        texts = [None if value is None else _one_float_text(value) for value in finite.to_pylist()]
        return pa.array(texts, pa.string())


def _one_float_text(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def inexact_rows(column: pa.Array) -> list[int]:
    """The rows of a float column whose whole numbers are so large that neighbours share one float."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    limit = _EXACT_BY_TYPE.get(column.type)
    if limit is None:
        return []
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    rows: list[int] = np.flatnonzero(np.isfinite(values) & (np.abs(values) >= limit)).tolist()
    return rows
