"""Timestamps as whole numbers: since 1970 in seconds, milliseconds and so on, or dates, all of one column alike.

Nothing goes through a float, which would merge neighbouring nanoseconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ...core.times import UNITS, Unit
from ...errors import DataError
from ..issues import Issues
from .ids import is_missing
from .table_reader import RowName

_LIMITS = ((10**11, 0), (10**14, 3), (10**17, 6), (2**63 - 1, 9))
"""Upper limit of times since 1970 in a unit (10^11 seconds is the year 5138) -> its decimal digits below the second."""

SINCE_1970 = 10**8
"""Columns that stay below this number (March 1973 in seconds) hold numbers of another kind, which have no unit."""

_UNIT_OF = {digits: unit for unit, digits in UNITS.items()}
_NAMES = {0: "seconds", 3: "milliseconds", 6: "microseconds", 9: "nanoseconds"}
_NOT_A_TIME = "timestamps that are neither numbers since 1970 nor dates such as 2014-07-23 or 2014-07-23T10:15:00"
_DATE = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)[.,](\d+)(.*)")


class ParsedTimes(NamedTuple):
    """Times of consecutive rows.

    Attributes:
        values: whole numbers, in units of 10^-digits of what the column counts. Shape: (n,)
        digits: see `values`.
    """

    values: NDArray[np.int64]
    digits: int


class TimestampParser:
    """Parses columns of timestamps, and remembers which kinds and units they are of.

    Args:
        issues: gets cells that are not timestamps.
    """

    def __init__(self, issues: Issues) -> None:
        self._issues = issues
        self._units: dict[int, str] = {}
        self._kinds: dict[str, str] = {}

    def parse(self, column: pa.Array, row_name: RowName) -> ParsedTimes:
        """Numbers as they are, dates as seconds since 1970 (in UTC where they name no zone); 0 where there is an issue.

        Args:
            column: texts. Length n.
            row_name: names the rows in messages.
        """
        for trimmed in (False, True) if column.null_count == 0 else ():
            texts = pc.utf8_trim_whitespace(column) if trimmed else column
            for parse, kind in ((_numbers, "numbers"), (_dates, "dates")):
                times = parse(texts)
                if times is not None:
                    self._remember(times, kind, row_name)
                    return times
        return self._parse_cells(column.to_pylist(), row_name)

    def _remember(self, times: ParsedTimes, kind: str, row_name: RowName) -> None:
        if not len(times.values):
            return
        self._kinds.setdefault(kind, row_name(0))
        if kind == "dates":
            return
        for row in np.flatnonzero(times.values < 0).tolist():
            self._issues.add("negative timestamps", f"{row_name(row)}: {times.values[row] / 10**times.digits:g}")
        lower = 1
        for limit, unit in _LIMITS:
            upper = min(limit * 10**times.digits, 2**63 - 1)
            in_unit = (times.values >= lower) & (times.values < upper)
            if unit not in self._units and in_unit.any():
                self._units[unit] = row_name(int(in_unit.argmax()))
            lower = upper

    def _parse_cells(self, texts: list[str | None], row_name: RowName) -> ParsedTimes:
        """One cell after the other, so that one that is wrong does not spoil the others."""
        cells = [None if text is None else parse_time(text.strip()) for text in texts]
        digits = max((cell.digits for cell in cells if cell is not None), default=0)
        values = np.zeros(len(cells), dtype=np.int64)
        of_kind: dict[bool, list[int]] = {True: [], False: []}
        for row, (text, cell) in enumerate(zip(texts, cells, strict=True)):
            value = 0 if cell is None else cell.value * 10 ** (digits - cell.digits)
            if is_missing(text):
                self._issues.add("rows without timestamp", row_name(row))
            elif cell is None or not -(2**63) <= value < 2**63:
                self._issues.add(_NOT_A_TIME, f"{row_name(row)}: '{(text or '')[:40]}'")
            else:
                values[row] = value
                of_kind[cell.is_date].append(row)
        for is_date, kind in ((False, "numbers"), (True, "dates")):
            rows = of_kind[is_date]
            self._remember(ParsedTimes(values[rows], digits), kind, lambda index, rows=rows: row_name(rows[index]))  # type: ignore[misc]
        return ParsedTimes(values, digits)

    def check(self) -> None:
        """Add an issue where the timestamps are of several kinds or units, whose order would be wrong."""
        if len(self._kinds) > 1:
            kinds = ", ".join(f"{kind} from {row} on" for kind, row in self._kinds.items())
            self._issues.add("mixture of numbers and dates in the timestamps", kinds)
        elif len(self._units) > 1:
            units = ", ".join(f"{_NAMES[unit]} from {row} on" for unit, row in self._units.items())
            self._issues.add("mixture of units in the timestamps", units)

    def combine(self, batches: list[ParsedTimes], column: str) -> tuple[NDArray[np.int64], Unit | None]:
        """All times in one unit, and the unit; None where they are numbers that do not count from 1970.

        Args:
            batches: what `parse` returned; the list is emptied.
            column: the name of the column, for messages.

        Raises:
            DataError: the times do not fit one unit, or are dates written in an order that does not sort.
        """
        digits = max(times.digits for times in batches)
        values = np.empty(sum(len(times.values) for times in batches), dtype=np.int64)
        start = 0
        while batches:
            times = batches.pop(0)
            factor = 10 ** (digits - times.digits)
            if len(times.values) and np.abs(times.values).max() > (2**63 - 1) // factor:
                raise DataError(
                    f"the column {column} holds times of very different size and precision; write all in one unit"
                )
            values[start : start + len(times.values)] = times.values * factor
            start += len(times.values)
        if "dates" in self._kinds:
            return values, _UNIT_OF[digits]
        if digits == 0:
            dates = _compact_dates(values, column)
            if dates is not None:
                return dates, "s"
        if not len(values) or values.max() < SINCE_1970 * 10**digits:
            return values, None
        base = max(self._units)
        if base + digits > 9:  # finer than nanoseconds
            values, digits = values // 10 ** (base + digits - 9), 9 - base
        return values, _UNIT_OF[base + digits]


class Cell(NamedTuple):
    """One time: `value` in units of 10^-digits, of a number or of seconds since 1970."""

    value: int
    digits: int
    is_date: bool


def parse_time(text: str) -> Cell | None:
    """A number or an ISO date; None for anything else."""
    try:
        number = Decimal(text) if text.isascii() and "_" not in text else Decimal("nan")
    except InvalidOperation:
        return _parse_date(text)
    if not number.is_finite() or abs(number) >= 10**19:
        return None
    exponent = number.normalize().as_tuple().exponent
    digits = min(9, -(int(exponent) // 3) * 3) if int(exponent) < 0 else 0
    return Cell(round(number.scaleb(digits)), digits, is_date=False)


def _parse_date(text: str) -> Cell | None:
    fraction = _DATE.fullmatch(text)
    try:
        date = datetime.fromisoformat(fraction[1] + fraction[3] if fraction else text)
    except ValueError:
        return None
    seconds = round((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    below = fraction[2][:9].rstrip("0") if fraction else ""
    digits = -(-len(below) // 3) * 3
    return Cell(seconds * 10**digits + int(below.ljust(digits, "0") or 0), digits, is_date=True)


def _numbers(column: pa.Array) -> ParsedTimes | None:
    """All cells as numbers; None where one is no number."""
    try:
        return ParsedTimes(column.cast(pa.int64()).to_numpy(), 0)
    except pa.ArrowInvalid:
        pass
    for digits in UNITS.values():
        try:
            decimals = column.cast(pa.decimal128(38, digits))
        except pa.ArrowInvalid:
            continue
        words = np.frombuffer(decimals.buffers()[1], dtype="<i8").reshape(-1, 2)[decimals.offset :][: len(column)]
        low, high = words[:, 0], words[:, 1]
        return ParsedTimes(low.copy(), digits) if (high == low >> 63).all() else None
    return None


def _dates(column: pa.Array) -> ParsedTimes | None:
    """All cells as dates; None where one is no date."""
    for unit, digits in UNITS.items():
        for zone in (None, "UTC"):
            try:
                return ParsedTimes(column.cast(pa.timestamp(unit, zone)).cast(pa.int64()).to_numpy(), digits)
            except pa.ArrowInvalid:
                continue
    return None


def _compact_dates(values: NDArray[np.int64], column: str) -> NDArray[np.int64] | None:
    """Seconds since 1970 of dates such as 20140723, perhaps with a time; None where not all are such dates.

    Raises:
        DataError: all look like 23072014 or 07232014, which do not sort.
    """
    if not len(values):
        return None
    low, high = int(values.min()), int(values.max())
    for width in (0, 4, 6):  # digits of the time: none, hours and minutes, and seconds
        if low // 10**width >= 19000101 and high // 10**width <= 21001231:
            seconds = _seconds(values // 10**width, values % 10**width * 10 ** (6 - width) if width else values * 0)
            if seconds is not None:
                return seconds
    if low >= 1_010_000 and high <= 31_129_999:
        first, second, year = values // 1_000_000, values // 10_000 % 100, values % 10_000
        by_day = (first >= 1) & (first <= 31) & (second >= 1) & (second <= 12)
        by_month = (first >= 1) & (first <= 12) & (second >= 1) & (second <= 31)
        if ((year >= 1900) & (year <= 2100)).all() and (by_day.all() or by_month.all()):
            order = "DDMMYYYY" if by_day.all() else "MMDDYYYY"
            raise DataError(
                f"the column {column} looks like dates written as {order} (such as {values[0]:08d}), whose numbers do "
                "not sort by time; write them as 2014-07-23"
            )
    return None


def _seconds(dates: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Seconds since 1970 of YYYYMMDD and hhmmss; None where one of them is no date or time of day."""
    month, day = dates // 100 % 100, dates % 100
    hour, minute, second = times // 10_000, times // 100 % 100, times % 100
    if not ((month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (second < 60)).all():
        return None
    months = (dates // 10_000 - 1970) * 12 + month - 1
    first_day = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    next_first_day = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    if not ((day >= 1) & (first_day + day <= next_first_day)).all():
        return None
    seconds: NDArray[np.int64] = ((first_day + day - 1) * 24 + hour) * 3600 + minute * 60 + second
    return seconds
