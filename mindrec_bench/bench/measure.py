"""Times cases one after the other, each as soon as the one before has its result, and counts their operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from ..core.timing import REST, time_sections
from ..distributed.devices import peak_bytes, reset_peak_memory
from ..experiment.batch_decoder import Meter
from .cases import BenchmarkCase
from .counting import OperationCount, count_operations
from .plain_decoder import PlainDecoder

SECTIONS = ("model", "expansion", "pruning", "constraint", "output")
"""Where the time of a batch goes: reading histories and calls of the model; proposing candidates, and all of the search
that has no section of its own; pruning; the catalogue constraint; rankings to the host and into rows."""


@dataclass(frozen=True)
class BenchmarkResult:
    """What decoding one case costs; all times are wall time.

    Attributes:
        case: what was decoded.
        seconds: of one batch in each repeat, from histories to rows of rankings.
        shares: the share of each of `SECTIONS` in it, medians over repeats, scaled so that they sum to 1.
        forward_passes: of a batch, as a run counts them.
        operations: of a batch.
        peak_bytes: the most memory used by then: of the GPU, else of the process with the models of all cases.
        plain_ratio: the plain decoder's time divided by this one's, median over repeats; None where it does not
            implement the case.
    """

    case: BenchmarkCase
    seconds: tuple[float, ...]
    shares: dict[str, float]
    forward_passes: int
    operations: OperationCount
    peak_bytes: int
    plain_ratio: float | None

    @property
    def users_per_second(self) -> float:
        """In the median batch."""
        return self.case.batch_size / median(self.seconds)

    @property
    def flops_per_second(self) -> float:
        """In the median batch, over all of its time."""
        return self.operations.flops / median(self.seconds)

    def quantile(self, q: float) -> float:
        """A quantile of the seconds of a batch."""
        return float(np.quantile(self.seconds, q))


PLAIN_SECONDS = 60.0
"""The plain decoder is not timed again in a case when it has taken as long: on a GPU it takes 30 seconds a batch."""


def measure_cases(
    cases: Sequence[BenchmarkCase],
    repeats: int,
    plain: PlainDecoder | None = None,
    progress: Callable[[], object] = lambda: None,
) -> Iterator[BenchmarkResult]:
    """Time every case `repeats` times.

    Args:
        cases: what to time.
        repeats: after a first batch, which counts operations, warms up and is not timed.
        plain: the plain decoder, timed in turn with the cases that it implements, for `PLAIN_SECONDS` at most.
        progress: called after each batch.

    Yields:
        The result of each case when it is there.
    """
    for case in cases:
        count = _count_batch(case)
        progress()
        times: list[tuple[float, dict[str, float]]] = []
        ratios: list[float] = []
        plain_seconds = 0.0
        for _ in range(repeats):
            times.append(_time_batch(case))
            if plain is not None and plain.supports(case) and plain_seconds < PLAIN_SECONDS:
                seconds = plain.seconds(case)
                plain_seconds += seconds
                ratios.append(seconds / times[-1][0])
            progress()
        yield BenchmarkResult(
            case,
            tuple(total for total, _ in times),
            _median_shares([sections for _, sections in times]),
            *count,
            plain_ratio=median(ratios) if ratios else None,
        )


def _decode_batch(case: BenchmarkCase) -> Meter:
    meter = Meter()
    for _ in case.batch_decoder.decode_batches(case.examples, meter):
        pass
    return meter


def _count_batch(case: BenchmarkCase) -> tuple[int, OperationCount, int]:
    """Forward passes, operations and peak memory of a batch."""
    device = case.batch_decoder.device
    operations = count_operations(lambda: _decode_batch(case))
    reset_peak_memory(device)
    forward_passes = _decode_batch(case).forward_passes
    return forward_passes, operations, peak_bytes(device)


def _time_batch(case: BenchmarkCase) -> tuple[float, dict[str, float]]:
    """Seconds of a batch, and of its sections."""
    with time_sections(case.batch_decoder.device) as timer:
        meter = _decode_batch(case)
    return sum(meter.batch_seconds), timer.seconds()


def _median_shares(batches: Sequence[dict[str, float]]) -> dict[str, float]:
    """Shares of `SECTIONS`, from the seconds by section of each repeat."""
    batches = [{**seconds, "expansion": seconds.get(REST, 0.0)} for seconds in batches]
    totals = [sum(seconds.get(section, 0.0) for section in SECTIONS) for seconds in batches]
    shares = {
        section: median(seconds.get(section, 0.0) / total for seconds, total in zip(batches, totals, strict=True))
        for section in SECTIONS
    }
    sum_of_medians = sum(shares.values())
    return {section: share / sum_of_medians for section, share in shares.items()}
