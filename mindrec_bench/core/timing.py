"""Where the time of decoding goes: parts that code names as it runs, timed only where somebody asks.

    with timing("cpu") as clock:
        ...  # code with `with timed_section("pruning"):` in it
    clock.seconds()  # {"pruning": 0.01, "rest": 0.2}

A part inside a part stops the outer one's clock, so that the seconds of all parts add up to the whole. On a GPU marks
go into its own queue and are read when all is over: timing makes nothing wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

REST = "rest"
"""What no part names."""


class Clock:
    """Seconds of each part of one piece of work; made by `timing`."""

    def __init__(self, device: str) -> None:
        self._now: Callable[[], Any] = time.perf_counter
        self._between: Callable[[Any, Any], float] = lambda start, end: end - start
        if device == "cuda":
            self._now, self._between = _cuda()
        self._open = [REST]
        self._marks: list[tuple[str, Any]] = [(REST, self._now())]

    @contextmanager
    def timed_section(self, name: str) -> Iterator[None]:
        """Count the time of a block towards a part."""
        self._open.append(name)
        self._mark()
        try:
            yield
        finally:
            self._open.pop()
            self._mark()

    def _mark(self) -> None:
        self._marks.append((self._open[-1], self._now()))

    def seconds(self) -> dict[str, float]:
        """Seconds by part up to now; on a GPU the marks must have been reached."""
        found: dict[str, float] = {}
        ends = [mark for _, mark in self._marks[1:]]
        for (name, start), end in zip(self._marks, ends, strict=False):
            found[name] = found.get(name, 0.0) + self._between(start, end)
        return found


_CLOCK: ContextVar[Clock | None] = ContextVar("clock", default=None)


@contextmanager
def timed_section(name: str) -> Iterator[None]:
    """Name what a block does, for whoever is timing; costs nothing worth a thought where nobody is."""
    clock = _CLOCK.get()
    if clock is None:
        yield
        return
    with clock.timed_section(name):
        yield


@contextmanager
def timing(device: str) -> Iterator[Clock]:
    """Time the parts of the block; ask the clock when it is over. `device`: `cpu` or `cuda`."""
    clock = Clock(device)
    token = _CLOCK.set(clock)
    try:
        yield clock
    finally:
        _CLOCK.reset(token)
        clock._mark()
        if device == "cuda":
            import torch

            torch.cuda.synchronize()


def _cuda() -> tuple[Callable[[], Any], Callable[[Any, Any], float]]:
    """Marks in the stream of the GPU, and the seconds between two of them."""
    import torch

    def now() -> Any:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    return now, lambda start, end: start.elapsed_time(end) / 1000
