"""Two or more stored runs side by side, every metric tested (`mrbench compare`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import UsageError
from ..metrics.accuracy import RANKING_METRICS
from ..stats.comparison import TEST_NAMES, Comparison, System, Test, compare
from ..stats.diversity_tests import DIVERSITY
from ..stats.paired_tests import ALPHA
from ..stats.resampling import RESAMPLES
from .columns import aligned
from .tables.build import system_value
from .tables.grid import arrow, header, number
from .tables.run_data import kinds_of_codes, load_systems

METRICS = (*(metric for metric in RANKING_METRICS if metric != "ndcg@1"), *DIVERSITY)
"""NDCG@1 is HR@1, and would be tested twice."""


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Runs against the first of them.

    Attributes:
        reference: summary of the first run.
        others: summaries of the other runs.
        values: metric -> value of each run, the reference first; without Entropy and TTR where the runs have
            different semantic IDs or other kinds of codes.
        comparisons: for each of `others`, metric -> comparison with the reference, Holm over the runs of each metric.
        users: users that all of them evaluated.
        resamples: of the randomisation tests and the bootstrap.
    """

    reference: dict[str, Any]
    others: tuple[dict[str, Any], ...]
    values: dict[str, tuple[float, ...]]
    comparisons: tuple[dict[str, Comparison], ...]
    users: int
    resamples: int


def compare_runs(
    runs: Sequence[dict[str, Any]], *, test: Test = "randomisation", resamples: int = RESAMPLES, seed: int = 0
) -> RunComparison:
    """Compare stored runs with the first one.

    Args:
        runs: two or more summaries, as `runs.resolve_run` gives them.
        test: for all but HR, Entropy and TTR.
        resamples: of the randomisation tests and the bootstrap.
        seed: for both.

    Raises:
        UsageError: fewer than two runs, one run twice, or runs over different users or data.
        DataError: a file of a run is missing or can't be read.
    """
    ids = [run["run"] for run in runs]
    if len(ids) < 2:
        raise UsageError("a comparison needs at least two runs; name another one")
    if len(set(ids)) < len(ids):
        raise UsageError(f"run {max(ids, key=ids.count)} is named twice; name each run once")
    systems = load_systems([(run["run"], [run]) for run in runs], lists=True)
    metrics = [metric for metric in METRICS if metric not in DIVERSITY or systems[0].counts is not None]
    compared = compare(systems[0], systems[1:], metrics, test=test, resamples=resamples, seed=seed)
    values = {metric: tuple(_value(system, metric) for system in systems) for metric in metrics}
    return RunComparison(runs[0], tuple(runs[1:]), values, tuple(compared), len(systems[0].users), resamples)


def _value(system: System, metric: str) -> float:
    value = system_value(system, metric)
    assert value is not None  # lists were read
    return value


def name(run: dict[str, Any]) -> str:
    """How a run is called: its id, and what it is."""
    size = f" ({run['size']})" if run["size"] else ""
    return f"{run['run']}  {run['model']}{size} x {run['decoder']}, categories {run['categories']}, seed {run['seed']}"


def to_text(found: RunComparison) -> str:
    """The comparison for a terminal: one block for each run against the first."""
    blocks = [f"reference  {name(found.reference)}\non {found.reference['data']}, {found.users:,} users"]
    blocks += [_block(found, at) for at in range(len(found.others))]
    blocks += _codes_note(found)
    tests = {comparison.test for row in found.comparisons for comparison in row.values()}
    used = "; ".join(TEST_NAMES[test] for test in TEST_NAMES if test in tests)
    blocks.append(
        f"difference: run minus reference with its bootstrap 95% interval. p: {used}; two-sided, {found.resamples:,} "
        f"resamples; Holm over {len(found.others)} comparison{'s' if len(found.others) > 1 else ''} a metric, * at "
        f"{ALPHA}.\n"
        "detectable: the smallest difference that these users show with 80% power at 0.05. d_z: mean difference over "
        "the standard deviation of differences."
    )
    return "\n\n".join(blocks)


def _codes_note(found: RunComparison) -> list[str]:
    """Why Entropy and TTR are left out, where they are."""
    kinds = kinds_of_codes([found.reference, *found.others])
    if len({*kinds.values()}) > 1:
        named = "; ".join(f"{run}: {kind}" for run, kind in kinds.items())
        return [f"The runs count different kinds of codes ({named}), so Entropy and TTR are not compared."]
    if DIVERSITY[0] not in found.values:
        return [
            "The runs have different semantic IDs of the same items: a hit is a match of the run's own ID, and Entropy "
            "and TTR are not compared."
        ]
    return []


def _block(found: RunComparison, at: int) -> str:
    head = (
        "",
        "reference",
        "run",
        "difference",
        "95% interval",
        "p",
        "p Holm",
        "detectable",
        "d_z",
        "wins/losses/ties",
    )
    rows = [head]
    for metric, c in found.comparisons[at].items():
        low_high = "" if c.low is None or c.high is None else f"{_signed(c.low, metric)} to {_signed(c.high, metric)}"
        rows.append(
            (
                f"{header(metric)}{arrow(metric)}",
                number(found.values[metric][0], metric),
                number(found.values[metric][at + 1], metric),
                _signed(c.difference, metric) + ("*" if c.p_holm <= ALPHA else " "),
                low_high,
                f"{c.p:.2g}",
                f"{c.p_holm:.2g}",
                number(c.detectable, metric),
                "" if c.effect is None else f"{c.effect:+.3f}",
                "" if c.wins is None else f"{c.wins}/{c.losses}/{c.ties}",
            )
        )
    return "\n".join([f"run        {name(found.others[at])}", *aligned(rows)])


def _signed(value: float, metric: str) -> str:
    text = number(value, metric)
    return text if text.startswith("-") else f"+{text}"


def as_object(found: RunComparison) -> dict[str, Any]:
    """The comparison in JSON's types."""
    return {
        "reference": found.reference["run"],
        "users": found.users,
        "resamples": found.resamples,
        "values": {
            run["run"]: {metric: values[at] for metric, values in found.values.items()}
            for at, run in enumerate((found.reference, *found.others))
        },
        "comparisons": {
            run["run"]: {metric: asdict(comparison) for metric, comparison in row.items()}
            for run, row in zip(found.others, found.comparisons, strict=True)
        },
    }
