"""Timed sections, on a clock that the test moves."""

from __future__ import annotations

import pytest

from mindrec_bench.core import timing
from mindrec_bench.core.timing import REST, time_sections, timed_section


@pytest.fixture
def spend(monkeypatch):
    """spend(3.0): move the clock by so many seconds."""
    now = [100.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def spend(seconds):
        now[0] += seconds

    return spend


def test_a_section_inside_another_pauses_the_outer_one(spend):
    with time_sections("cpu") as timer:
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
    assert timer.seconds() == {REST: 33, "model": 26, "constraint": 4}


def test_a_section_ends_with_an_error(spend):
    def fail():
        with timed_section("model"):
            spend(2)
            raise ValueError("no")

    with time_sections("cpu") as timer:
        with pytest.raises(ValueError, match="no"):
            fail()
        spend(1)
    assert timer.seconds() == {REST: 1, "model": 2}


def test_sections_outside_a_timer_are_not_timed(spend):
    with time_sections("cpu") as timer:
        spend(1)
    with timed_section("model"):
        spend(2)
    assert timer.seconds() == {REST: 1}
