"""Times as numbers that can be ordered: seconds, milliseconds and so on since 1970, or ISO 8601 dates."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..faults import Faults
from .ids import is_missing

_UNITS = ((1e11, "seconds"), (1e14, "milliseconds"), (1e17, "microseconds"), (math.inf, "nanoseconds"))
"""Below which number times since 1970 are in which unit (1e11 seconds is the year 5138)."""

_NO_TIME = "timestamps that are neither numbers since 1970 nor dates such as 2014-07-23 or 2014-07-23T10:15:00"


class Timestamps:
    """Reads columns of times, and remembers in which units they were.

    Args:
        faults: gets what is no time.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._units: dict[str, str] = {}

    def read(self, column: pa.Array, place: Callable[[int], str]) -> NDArray[np.float64]:
        """Numbers as they are, dates as seconds since 1970 (in UTC where they name no zone); 0 for a fault.

        Args:
            column: texts. Length n.
            place: names the place of a row.

        Returns:
            Shape: (n,)
        """
        try:
            times = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            times = np.array([_parse(text) for text in column.to_pylist()])
        self._report(times, column, place)
        return np.where(np.isfinite(times), times, 0)

    def _report(self, times: NDArray[np.float64], column: pa.Array, place: Callable[[int], str]) -> None:
        for row in np.flatnonzero(~np.isfinite(times)).tolist():
            text = column[row].as_py()
            if is_missing(text):
                self._faults.add("rows without timestamp", place(row))
            else:
                self._faults.add(_NO_TIME, f"{place(row)}: '{text[:40]}'")
        for row in np.flatnonzero(times < 0).tolist():
            self._faults.add("negative timestamps", f"{place(row)}: {column[row].as_py()}")
        below = 0.0
        for limit, unit in _UNITS:
            if unit not in self._units and (within := (times >= max(below, 1)) & (times < limit)).any():
                self._units[unit] = place(int(within.argmax()))
            below = limit

    def check_units(self) -> None:
        """Add a fault where times are in several units, which would put them in a wrong order."""
        if len(self._units) > 1:
            kinds = ", ".join(f"{unit} from {where} on" for unit, where in self._units.items())
            self._faults.add("mixture of units in the timestamps", kinds)


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
