"""What came out of a run: its results and its costs, with the labels that tables and people know it by."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.backbone import FitReport

SUMMARY_VERSION = 2
"""The version of the stored format; raise it when a key changes its meaning."""

SID_CODE = "a code of a semantic ID"
"""What a code is for models that name items by the data's semantic IDs."""

ITEM_CODE = "an item, since the data has no semantic IDs"
"""What a code is on data without semantic IDs."""


FINISHED_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
"""The format of `RunSummary.finished`, for `time.strftime`."""

WEIGHTS_HASH = "sha256:"
"""The beginning of a known hash of weights; what earlier versions stored in its place differs for equal weights too."""


def now() -> str:
    """The time, for `RunSummary.finished`."""
    return time.strftime(FINISHED_FORMAT, time.gmtime())


@dataclass(frozen=True)
class SlotCounts:
    """The slots that the run filled.

    Attributes:
        categories: the number of category slots of the data.
        sid: the number of slots of an item's ID.
        sid_codes: the codes of these slots together.
        sid_sizes: the codes of each slot.
        code: what one of these codes is, in words; `SID_CODE`, or something else where the model names items in codes
            of its own.
    """

    categories: int
    sid: int
    sid_codes: int
    sid_sizes: tuple[int, ...]
    code: str = SID_CODE

    @property
    def are_the_models_own(self) -> bool:
        """Whether the model names items in codes of its own."""
        return self.code != SID_CODE


@dataclass(frozen=True)
class Timings:
    """What decoding cost.

    Attributes:
        users_per_second: of one process.
        processes: how many decoded.
        batch_size: users per batch, as requested.
        smallest_batch_size: after halving where memory ran out.
        batch_p50, batch_p95: quantiles of a batch's seconds.
        forward_passes: model calls of all processes together.
        peak_bytes: the most memory that a process used.
        states: partial sequences that these calls asked for, one for each beam of each user, padding included (of a
            model that scores items, one for each user); None in older runs.
    """

    users_per_second: float
    processes: int
    batch_size: int
    smallest_batch_size: int
    batch_p50: float
    batch_p95: float
    forward_passes: int
    peak_bytes: int
    states: int | None = None


@dataclass(frozen=True)
class Environment:
    """What a run was computed on.

    Attributes:
        device: kind of device.
        device_name: its name.
        threads: of torch.
        python: version.
        versions: of packages; None for those that are not installed.
        commit: of the checkout that this package is imported from, `+changed` where its files differ; '' elsewhere.
    """

    device: str
    device_name: str
    threads: int
    python: str
    versions: dict[str, str | None]
    commit: str = ""


@dataclass(frozen=True)
class Collisions:
    """Items that share their semantic ID with other items.

    Attributes:
        items: how many do.
        of: the items of the catalogue.
        item_hr: `hr@1` ... -> the expected value where a hit is the item itself, and the items of one semantic ID are
            recommended in random order (`metrics.accuracy.item_hit_rates`).
    """

    items: int
    of: int
    item_hr: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """What came out of a run; `summary.json`.

    Attributes:
        run: the run's id.
        model, decoder, data: the labels that a command would name them by.
        users_asked: `--users`: fewer may be there, since some can't be split; None for all.
        slots: the slots that were filled.
        metrics: `metrics.lists.summarise`.
        coverage_at: `metrics.lists.coverage_at`; () in runs of earlier versions.
        interactions: identifies the data whatever its semantic IDs.
        search_error: means of `SEARCH_METRICS`; None where the model's exact answer is not known.
        optimum: the best reachable values; None where the data is not simulated.
        seconds: decoding time of all processes together; None for rankings made elsewhere, as the two below.
        timings: what decoding cost.
        environment: what it was computed on.
        fit: what training did; None where nothing was trained.
        weights: `FittedModelFolder.weights_id` of the model that decoded; '' where nothing was trained. It is unknown
            unless it begins with `WEIGHTS_HASH`.
        missing_users: users that a file of rankings did not have; None for runs of our own.
        notes: facts to show beside the results.
        code: what made the run, of a model or decoder that is not built in: `decoder` -> class, package and code.
        collisions: items that share a semantic ID, and HR by item; None where there are none.
        finished: when, in UTC.
        command: the shortest command that makes the run again.
        lacks: what a compact run does not hold: `rankings`, and `codes`, without which Entropy and TTR can't be tested.
        version: of the format.
    """

    run: str
    model: str
    decoder: str
    data: str
    users_asked: int | None
    slots: SlotCounts
    metrics: dict[str, int | float]
    interactions: str
    coverage_at: tuple[float, ...] = ()
    search_error: dict[str, float] | None = None
    optimum: dict[str, float] | None = None
    seconds: float | None = None
    timings: Timings | None = None
    environment: Environment | None = None
    fit: FitReport | None = None
    weights: str = ""
    missing_users: int | None = None
    notes: tuple[str, ...] = ()
    code: dict[str, str] = field(default_factory=dict)
    collisions: Collisions | None = None
    finished: str
    command: str
    lacks: tuple[str, ...] = ()
    version: int = SUMMARY_VERSION

    @property
    def values(self) -> Mapping[str, float]:
        """The metrics, coverage at every k, and the search error, by name."""
        coverage = {f"coverage@{k}": share for k, share in enumerate(self.coverage_at, start=1)}
        return {**self.metrics, **coverage, **(self.search_error or {})}
