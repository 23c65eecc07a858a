"""Ratings as numbers, cell by cell where not all are."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..issues import Issues
from .ids import is_missing
from .table_reader import RowName


def parse_ratings(column: pa.Array, row_name: RowName, issues: Issues) -> NDArray[np.float64]:
    """The rating of each row; NaN where there is none, or with an issue where it is no number. Shape: (n,)"""
    try:
        ratings: NDArray[np.float64] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        cells = enumerate(column.to_pylist())
        ratings = np.array([_parse_cell(text, row, row_name, issues) for row, text in cells], dtype=np.float64)
    for row in np.flatnonzero(np.isinf(ratings)).tolist():
        issues.add("ratings that are not numbers", f"{row_name(row)}: '{column[row]}'")
    return ratings


def _parse_cell(text: str | None, row: int, row_name: RowName, issues: Issues) -> float:
    if text is None or is_missing(text):
        return math.nan
    try:
        return float(text)
    except ValueError:
        issues.add("ratings that are not numbers", f"{row_name(row)}: '{text[:40]}'")
        return math.nan
