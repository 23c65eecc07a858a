"""Timestamps as numbers that can be ordered: seconds, milliseconds and so on since 1970, or ISO 8601 dates."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..issues import Issues
from .ids import is_missing
from .table_reader import RowName

_UNITS = ((1e11, "seconds"), (1e14, "milliseconds"), (1e17, "microseconds"), (math.inf, "nanoseconds"))
"""Upper limit of times since 1970 in each unit (1e11 seconds is the year 5138)."""

_NOT_A_TIME = "timestamps that are neither numbers since 1970 nor dates such as 2014-07-23 or 2014-07-23T10:15:00"


class TimestampParser:
    """Parses columns of timestamps, and remembers which units they are in.

    Args:
        issues: gets cells that are not timestamps.
    """

    def __init__(self, issues: Issues) -> None:
        self._issues = issues
        self._units: dict[str, str] = {}

    def parse(self, column: pa.Array, row_name: RowName) -> NDArray[np.float64]:
        """Numbers as they are, dates as seconds since 1970 (in UTC where they name no zone); 0 where there is an issue.

        Args:
            column: texts. Length n.
            row_name: names the rows in messages.

        Returns:
            Shape: (n,)
        """
        try:
            times = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            times = np.array([_parse(text) for text in column.to_pylist()])
        self._check(times, column, row_name)
        return np.where(np.isfinite(times), times, 0)

    def _check(self, times: NDArray[np.float64], column: pa.Array, row_name: RowName) -> None:
        for row in np.flatnonzero(~np.isfinite(times)).tolist():
            text = column[row].as_py()
            if is_missing(text):
                self._issues.add("rows without timestamp", row_name(row))
            else:
                self._issues.add(_NOT_A_TIME, f"{row_name(row)}: '{text[:40]}'")
        for row in np.flatnonzero(times < 0).tolist():
            self._issues.add("negative timestamps", f"{row_name(row)}: {column[row].as_py()}")
        lower = 0.0
        for upper, unit in _UNITS:
            in_unit = (times >= max(lower, 1)) & (times < upper)
            if unit not in self._units and in_unit.any():
                self._units[unit] = row_name(int(in_unit.argmax()))
            lower = upper

    def check_units(self) -> None:
        """Add an issue where timestamps are in several units, which would put them in a wrong order."""
        if len(self._units) > 1:
            units = ", ".join(f"{unit} from {row} on" for unit, row in self._units.items())
            self._issues.add("mixture of units in the timestamps", units)


def _parse(text: str | None) -> float:
    """A number or an ISO date as a number; nan for anything else."""
    try:
        return float(text or "nan")
    except ValueError:
        pass
    try:
        date = datetime.fromisoformat(text or "")
    except ValueError:
        return math.nan
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
