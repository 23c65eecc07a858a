"""The clock of parts, on a time that the test moves."""

from __future__ import annotations

import pytest

from mindrec_bench.core import timing as clocks
from mindrec_bench.core.timing import REST, timed_section, timing


@pytest.fixture
def spend(monkeypatch):
    """spend(3.0): let seconds go by."""
    now = [100.0]
    monkeypatch.setattr(clocks.time, "perf_counter", lambda: now[0])

    def spend(seconds):
        now[0] += seconds

    return spend


def test_a_part_inside_a_part_stops_the_outer_one(spend):
    with timing("cpu") as clock:
        spend(1)
        with timed_section("model"):
            spend(2)
            with timed_section("constraint"):
                spend(4)
            spend(8)
        with timed_section("model"):
            spend(16)
        spend(32)
    spend(64)
    assert clock.seconds() == {REST: 33, "model": 26, "constraint": 4}


def test_a_part_ends_with_an_error(spend):
    def fail():
        with timed_section("model"):
            spend(2)
            raise ValueError("no")

    with timing("cpu") as clock:
        with pytest.raises(ValueError, match="no"):
            fail()
        spend(1)
    assert clock.seconds() == {REST: 1, "model": 2}


def test_parts_are_free_to_name_where_nobody_times(spend):
    with timing("cpu") as clock:
        spend(1)
    with timed_section("model"):
        spend(2)
    assert clock.seconds() == {REST: 1}
