"""Times cases in turn, so that what else the machine does falls on all of them alike, and counts what they compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from ..core.timing import REST, timing
from ..distributed.devices import peak_bytes
from ..experiment.batch_decoder import Meter
from .cases import Case
from .counting import Counted, count
from .plain import Plain

PARTS = ("model", "expansion", "pruning", "constraint", "output")
"""Where the time of a batch goes: reading histories and asking the model; proposing candidates, and all of the search
that is nothing else; pruning; the catalogue constraint; rankings to the host and into rows."""

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Timed:
    """What one case cost; every time is wall time.

    Attributes:
        case: which.
        seconds: of each repeat: a batch, from histories to rows of rankings.
        shares: share of each of `PARTS` in it, medians over repeats, scaled so that they sum to 1.
        passes: forward passes of a batch, as a run counts them.
        counted: operations and positions of a batch.
        peak_bytes: the most memory while it ran: of the GPU, else of the process with all models of the table.
        plain_ratio: time of the plain way over this one's, the median over repeats; None where there is no plain way.
    """

    case: Case
    seconds: tuple[float, ...]
    shares: dict[str, float]
    passes: int
    counted: Counted
    peak_bytes: int
    plain_ratio: float | None

    @property
    def users_per_second(self) -> float:
        """By the median batch."""
        return self.case.batch / median(self.seconds)

    @property
    def flops_per_second(self) -> float:
        """By the median batch, of all of its time."""
        return self.counted.flops / median(self.seconds)

    def quantile(self, q: float) -> float:
        """Of the seconds of a batch."""
        return float(np.quantile(self.seconds, q))


def measure(
    cases: Sequence[Case], repeats: int, plain: Plain | None = None, progress: Callable[[], object] = lambda: None
) -> list[Timed]:
    """Time every case `repeats` times, in turn.

    Args:
        cases: what to time.
        repeats: after one run of each case that counts, warms up and is not timed.
        plain: the plain way, to be timed beside the cases that it knows.
        progress: called after each case of each round.
    """
    first = []
    for case in cases:
        first.append(_first(case))
        progress()
    runs: list[list[tuple[float, dict[str, float]]]] = [[] for _ in cases]
    ratios: list[list[float]] = [[] for _ in cases]
    for _ in range(repeats):
        for case, own, against in zip(cases, runs, ratios, strict=True):
            own.append(_timed(case))
            if plain is not None and plain.knows(case):
                against.append(plain.seconds(case) / own[-1][0])
            progress()
    found = []
    for case, own, against, once in zip(cases, runs, ratios, first, strict=True):
        seconds, shares = tuple(seconds for seconds, _ in own), _shares([parts for _, parts in own])
        found.append(Timed(case, seconds, shares, *once, plain_ratio=median(against) if against else None))
    return found


def _decode(case: Case) -> Meter:
    meter = Meter()
    for _ in case.users.batches(case.examples, meter):
        pass
    return meter


def _first(case: Case) -> tuple[int, Counted, int]:
    """Passes, operations and peak memory of a batch."""
    counted = count(lambda: _decode(case))
    _reset_peak(case.users.device)
    passes = _decode(case).passes
    return passes, counted, _peak(case.users.device)


def _timed(case: Case) -> tuple[float, dict[str, float]]:
    """Seconds of a batch, and of its parts."""
    with timing(case.users.device) as clock:
        meter = _decode(case)
    return sum(meter.batch_seconds), clock.seconds()


def _shares(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    named = [{**parts, "expansion": parts.get(REST, 0.0)} for parts in runs]
    found = {
        name: median(parts.get(name, 0.0) / sum(parts.get(each, 0.0) for each in PARTS) for parts in named)
        for name in PARTS
    }
    total = sum(found.values())
    return {name: share / total for name, share in found.items()}


def _reset_peak(device: str) -> None:
    """Forget the peak so far, where the system can."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return
    try:
        _RESET.write_text("5")
    except OSError:  # then the peak is that of the process so far
        return


def _peak(device: str) -> int:
    if device == "cpu" and _STATUS.is_file():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return peak_bytes(device)
