"""Where the time of decoding goes: code names its sections as it runs, and they are timed only on request.

    with time_sections("cpu") as timer:
        ...  # code with `with timed_section("pruning"):` in it
    timer.seconds()  # {"pruning": 0.01, "rest": 0.2}

A section inside another pauses the outer one, so the seconds of all sections add up to the total. On a GPU the times
are events in its own queue that are read at the end, so nothing waits while the code runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

REST = "rest"
"""The section of everything outside named sections."""


class SectionTimer:
    """Seconds spent in each section; from `time_sections`."""

    def __init__(self, device: str) -> None:
        self._now: Callable[[], Any] = time.perf_counter
        self._elapsed: Callable[[Any, Any], float] = lambda start, end: end - start
        if device == "cuda":
            self._now, self._elapsed = _cuda_clock()
        self._stack = [REST]
        self._starts: list[tuple[str, Any]] = [(REST, self._now())]

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Count the time of the block towards a section."""
        self._stack.append(name)
        self._mark()
        try:
            yield
        finally:
            self._stack.pop()
            self._mark()

    def _mark(self) -> None:
        self._starts.append((self._stack[-1], self._now()))

    def seconds(self) -> dict[str, float]:
        """Seconds by section, up to now; on a GPU its queue must have been worked off."""
        totals: dict[str, float] = {}
        ends = [end for _, end in self._starts[1:]]
        for (name, start), end in zip(self._starts, ends, strict=False):
            totals[name] = totals.get(name, 0.0) + self._elapsed(start, end)
        return totals


_TIMER: ContextVar[SectionTimer | None] = ContextVar("section_timer", default=None)


@contextmanager
def timed_section(name: str) -> Iterator[None]:
    """Name what a block does, for `time_sections`; costs next to nothing outside it."""
    timer = _TIMER.get()
    if timer is None:
        yield
        return
    with timer.section(name):
        yield


@contextmanager
def time_sections(device: str) -> Iterator[SectionTimer]:
    """Time the sections of the block; read the timer after it. `device`: `cpu`, `cuda` or `mps`."""
    timer = SectionTimer(device)
    token = _TIMER.set(timer)
    try:
        yield timer
    finally:
        _TIMER.reset(token)
        timer._mark()
        if device == "cuda":
            import torch

            torch.cuda.synchronize()


def _cuda_clock() -> tuple[Callable[[], Any], Callable[[Any, Any], float]]:
    """Record an event in the GPU's stream, and the seconds between two of them."""
    import torch

    def now() -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    return now, lambda start, end: start.elapsed_time(end) / 1000
