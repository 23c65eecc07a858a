"""Timestamps as numbers and as dates."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mindrec_bench.data.importing.timestamps import TimestampParser
from mindrec_bench.data.issues import Issues


def parse(*texts: str | None) -> tuple[list[float], list[str]]:
    issues = Issues()
    parser = TimestampParser(issues)
    times = parser.parse(pa.array(texts, pa.string()), lambda row: f"row {row}")
    parser.check_units()
    return times.tolist(), issues.lines()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1400000000", 1_400_000_000),
        ("1.4e9", 1_400_000_000),
        ("0", 0),
        ("2014-05-13", 1_399_939_200),
        ("2014-05-13T16:53:20", 1_400_000_000),
        ("2014-05-13 16:53:20.5", 1_400_000_000.5),
        ("2014-05-13T18:53:20+02:00", 1_400_000_000),
        ("2014-05-13T16:53:20Z", 1_400_000_000),
    ],
)
def test_seconds_since_1970(text: str, seconds: float) -> None:
    assert parse(text) == ([seconds], [])


def test_numbers_and_dates_together() -> None:
    assert parse("1400000000", "2014-05-13T16:53:21") == ([1_400_000_000, 1_400_000_001], [])


@pytest.mark.parametrize("text", ["05/13/2014", "May 13, 2014", "yesterday"])
def test_other_dates_are_issues(text: str) -> None:
    times, issues = parse("1", text)
    assert times == [1, 0]
    assert issues[0].startswith("timestamps that are neither numbers since 1970 nor dates")
    assert issues[0].endswith(f"(row 1: '{text}')")


@pytest.mark.parametrize(
    ("texts", "units"),
    [
        (("1400000000", "1400000000000"), "seconds from row 0 on, milliseconds from row 1 on"),
        (("1400000000000000", "1400000000"), "microseconds from row 0 on, seconds from row 1 on"),
        (("1400000000000000000", "2014-05-13"), "nanoseconds"),
    ],
)
def test_several_units(texts: tuple[str, ...], units: str) -> None:
    _, issues = parse(*texts)
    assert len(issues) == 1
    assert all(part in issues[0] for part in units.split(", "))


def test_missing_and_negative() -> None:
    _, issues = parse(None, "nan", "-5", "inf")
    assert issues[0] == "2 rows without timestamp (row 0, row 1)"
    assert issues[1].startswith("timestamps that are neither")
    assert issues[2] == "negative timestamps (row 2: -5)"
