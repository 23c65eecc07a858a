"""Timestamps as numbers and as dates."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mindrec_bench.data.importing.timestamps import TimestampParser
from mindrec_bench.data.issues import Issues
from mindrec_bench.errors import DataError


def parse(*texts: str | None, batch: int = 100) -> tuple[list[int], str | None, list[str]]:
    """The times and their unit, and what is wrong, read in batches."""
    issues = Issues()
    parser = TimestampParser(issues)
    batches = [
        parser.parse(pa.array(texts[start : start + batch], pa.string()), lambda row, start=start: f"row {start + row}")
        for start in range(0, len(texts), batch)
    ]
    parser.check()
    if issues:
        return [], None, issues.lines()
    times, unit = parser.combine(batches, "t")
    return times.tolist(), unit, []


@pytest.mark.parametrize(
    ("text", "time", "unit"),
    [
        ("1400000000", 1_400_000_000, "s"),
        ("1.4e9", 1_400_000_000, "s"),
        (" 1400000000.0 ", 1_400_000_000, "s"),
        ("0", 0, None),
        ("2014-05-13", 1_399_939_200, "s"),
        ("2014-05-13T16:53:20", 1_400_000_000, "s"),
        ("2014-05-13 16:53:20.5", 1_400_000_000_500, "ms"),
        ("2014-05-13 16:53:20.123456789", 1_400_000_000_123_456_789, "ns"),
        ("2014-05-13T18:53:20+02:00", 1_400_000_000, "s"),
        ("2014-05-13T16:53:20Z", 1_400_000_000, "s"),
        ("1969-12-31T23:59:59", -1, "s"),
        ("1400000000.25", 1_400_000_000_250, "ms"),
        ("1400000000123.5", 1_400_000_000_123_500, "us"),
        ("1700000000000000300", 1_700_000_000_000_000_300, "ns"),
        ("20140103", 1_388_707_200, "s"),
        ("20140103101500", 1_388_744_100, "s"),
        ("201401031015", 1_388_744_100, "s"),
        ("20140230", 20_140_230, None),
        ("201401", 201_401, None),
    ],
)
def test_one_time(text: str, time: int, unit: str | None) -> None:
    assert parse(text) == ([time], unit, [])
    assert parse(text, text, batch=1) == ([time, time], unit, [])


def test_batches_of_several_precisions_get_one_unit() -> None:
    assert parse("1400000000", "1400000000.25", "1400000001", batch=1) == (
        [1_400_000_000_000, 1_400_000_000_250, 1_400_000_001_000],
        "ms",
        [],
    )
    assert parse("2014-05-13", "2014-05-13T00:00:00.000001Z") == (
        [1_399_939_200_000_000, 1_399_939_200_000_001],
        "us",
        [],
    )


@pytest.mark.parametrize("batch", [1, 100])
def test_nanoseconds_keep_their_order(batch: int) -> None:
    times = [1_700_000_000_000_000_000 + below for below in (300, 200, 100)]
    assert parse(*map(str, times), batch=batch) == (times, "ns", [])
    dates = np.array(times, "datetime64[ns]").astype(str).tolist()
    assert parse(*dates, batch=batch) == (times, "ns", [])


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("texts", [("20140103", "2014-01-02"), ("2014-05-13T16:53:21", "1400000000")])
def test_numbers_and_dates_together_are_refused(texts: tuple[str, str], batch: int) -> None:
    _, _, issues = parse(*texts, batch=batch)
    assert len(issues) == 1
    assert issues[0].startswith("mixture of numbers and dates in the timestamps (")
    assert "from row 0 on" in issues[0]
    assert "from row 1 on" in issues[0]


@pytest.mark.parametrize(
    ("texts", "order"),
    [(("31012014", "01022014"), "DDMMYYYY"), (("1022014", "28112013"), "DDMMYYYY"), (("12312014",), "MMDDYYYY")],
)
def test_compact_dates_that_do_not_sort_are_refused(texts: tuple[str, ...], order: str) -> None:
    with pytest.raises(DataError, match=rf"the column t looks like dates written as {order} .* write them as 20"):
        parse(*texts)


def test_compact_dates_sort_among_years() -> None:
    times, unit, _ = parse("20140228", "20140301", "20120229", "19691231")
    assert unit == "s"
    assert times == [1_393_545_600, 1_393_632_000, 1_330_473_600, -86_400]


@pytest.mark.parametrize("text", ["05/13/2014", "May 13, 2014", "yesterday", "1_000", "inf", "1e400", "٣"])
def test_other_texts_are_issues(text: str) -> None:
    _, _, issues = parse("1", text)
    assert issues[0].startswith("timestamps that are neither numbers since 1970 nor dates")
    assert issues[0].endswith(f"(row 1: '{text}')")


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize(
    ("texts", "units"),
    [
        (("1400000000", "1400000000000"), "seconds from row 0 on, milliseconds from row 1 on"),
        (("1400000000000000", "1400000000"), "microseconds from row 0 on, seconds from row 1 on"),
        (("1400000000.5", "1400000000000"), "seconds from row 0 on, milliseconds from row 1 on"),
    ],
)
def test_several_units(texts: tuple[str, ...], units: str, batch: int) -> None:
    _, _, issues = parse(*texts, batch=batch)
    assert len(issues) == 1
    assert all(part in issues[0] for part in units.split(", "))


def test_missing_and_negative() -> None:
    _, _, issues = parse(None, "nan", "-5", "inf", "")
    assert "3 rows without timestamp (row 0, row 1, row 4)" in issues
    assert "negative timestamps (row 2: -5)" in issues
    assert any(issue.startswith("timestamps that are neither") for issue in issues)
