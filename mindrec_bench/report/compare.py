"""Stored runs compared with the first one, every metric tested (`mrbench compare`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import UsageError
from ..metrics.names import KS
from ..stats.comparison import TEST_NAMES, Comparison, PairedTest, compare
from ..stats.diversity_tests import DIVERSITY_METRICS
from ..stats.paired_tests import ALPHA
from ..stats.resampling import RESAMPLES
from ..store.run_spec import RunSettings
from ..store.runs import Run
from .comparability import unlike_trainings
from .metric_format import format_value, metric_arrow, metric_name
from .tables.run_data import code_kinds, load_systems, runs_without_codes, system_value
from .text_table import format_columns


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Runs compared with the first of them.

    Attributes:
        reference: the first run.
        others: the other runs.
        values: metric -> value of each run, the reference first, None for a metric at k where its lists are shorter;
            without Entropy and TTR where the runs have
            different semantic IDs or different kinds of codes, or a compact run lacks its codes.
        comparisons: for each of `others`, metric -> comparison with the reference, corrected by Holm over the runs for
            each metric.
        unlike: id of a run that is the result of another training of the reference's model -> the reason.
        n_users: number of users that all of them evaluated.
        resamples: of the randomisation tests and the bootstrap.
    """

    reference: Run
    others: tuple[Run, ...]
    values: dict[str, tuple[float | None, ...]]
    comparisons: tuple[dict[str, Comparison], ...]
    unlike: dict[str, str]
    n_users: int
    resamples: int

    def __str__(self) -> str:
        return to_text(self)

    __repr__ = __str__  # what a notebook shows

    def as_dict(self) -> dict[str, Any]:
        """The comparison in JSON's types."""
        return to_dict(self)


def compare_runs(
    runs: Sequence[Run],
    *,
    test: PairedTest = "randomisation",
    ks: Sequence[int] = KS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> RunComparison:
    """Compare stored runs with the first one.

    Args:
        runs: two or more.
        test: for all metrics but HR, Entropy and TTR.
        ks: HR and NDCG are compared at each of these k that no list is shorter than; but NDCG@1 is HR@1.
        resamples: of the randomisation tests and the bootstrap.
        seed: of both.

    Raises:
        UsageError: fewer than two runs, a run given twice, or runs over different users or data.
        DataError: a file of a run is missing or can't be read.
    """
    ids = [run.id for run in runs]
    if len(ids) < 2:
        raise UsageError("a comparison needs at least two runs; name another one")
    if len(set(ids)) < len(ids):
        raise UsageError(f"run {max(ids, key=ids.count)} is named twice; name each run once")
    ranking = [metric for name in ("hr", "ndcg") for k in ks if (metric := f"{name}@{k}") != "ndcg@1"]
    systems = load_systems([(run.id, [run]) for run in runs], with_codes=True, metrics=ranking)
    metrics = [metric for metric in ranking if any(metric in system.values for system in systems)]
    metrics += DIVERSITY_METRICS if systems[0].counts is not None else ()
    comparisons = compare(systems[0], systems[1:], metrics, test=test, resamples=resamples, seed=seed)
    values = {metric: tuple(system_value(system, metric) for system in systems) for metric in metrics}
    reasons = {run.id: unlike_trainings([runs[0]], [run]) for run in runs[1:]}
    unlike = {run: reason for run, reason in reasons.items() if reason}
    return RunComparison(runs[0], tuple(runs[1:]), values, tuple(comparisons), unlike, len(systems[0].users), resamples)


def to_text(comparison: RunComparison) -> str:
    """The comparison for a terminal: one block for each run against the first."""
    reference, others = comparison.reference, comparison.others
    holdout = "" if reference.spec.holdout == RunSettings.holdout else f", holdout {reference.spec.holdout}"
    blocks = [
        f"reference  {_describe_run(reference)}\non {reference.summary.data}, {comparison.n_users:,} users{holdout}"
    ]
    blocks += [
        f"{run} and the reference are of one model, trained otherwise ({reason}): their difference is not one of "
        "decoders, and has no mark."
        for run, reason in comparison.unlike.items()
    ]
    blocks += [_block(comparison, index) for index in range(len(others))]
    blocks += [*_codes_note(comparison), *_lengths_note(comparison)]
    tests = {metric.test for by_metric in comparison.comparisons for metric in by_metric.values()}
    names = "; ".join(TEST_NAMES[test] for test in TEST_NAMES if test in tests)
    blocks.append(
        f"difference: run minus reference with its bootstrap 95% interval. p: {names}; two-sided, "
        f"{comparison.resamples:,} resamples; Holm over {len(others)} comparison{'s' if len(others) > 1 else ''} a "
        f"metric, * at {ALPHA}.\n"
        "detectable: the smallest difference that these users show with 80% power at 0.05. d_z: mean difference over "
        "the standard deviation of differences."
    )
    return "\n\n".join(blocks)


def _describe_run(run: Run) -> str:
    spec, summary = run.spec, run.summary
    size = f" ({spec.model.size})" if spec.model.size else ""
    history = "" if spec.history == RunSettings.history else f", history of {spec.history}"
    excluded = ", history excluded" if spec.exclude_history else ""
    parts = f"categories {spec.categories}, seed {spec.seed}{history}{excluded}"
    return f"{run.id}  {summary.model}{size} x {summary.decoder}, {parts}"


def _codes_note(comparison: RunComparison) -> list[str]:
    """Why Entropy and TTR are left out, where they are."""
    runs = [comparison.reference, *comparison.others]
    kinds = code_kinds(runs)
    if len({*kinds.values()}) > 1:
        listed = "; ".join(f"{run}: {kind}" for run, kind in kinds.items())
        return [f"The runs count different kinds of codes ({listed}), so Entropy and TTR are not compared."]
    if lacking := runs_without_codes(runs):
        listed = ", ".join(lacking)
        return [f"Runs stored compactly without their codes ({listed}): Entropy and TTR are not compared."]
    if DIVERSITY_METRICS[0] not in comparison.values:
        return [
            "The runs have different semantic IDs of the same items: a hit is a match of the run's own ID, and Entropy "
            "and TTR are not compared."
        ]
    return []


def _lengths_note(comparison: RunComparison) -> list[str]:
    """Whose lists are too short for a metric, or too unlike for a test."""
    metrics = comparison.values
    untested = [
        run.id
        for run, by_metric in zip(comparison.others, comparison.comparisons, strict=True)
        if any(metric not in by_metric for metric in metrics)
    ]
    if not untested:
        return []
    return [
        f"Lists of another length than the reference's ({', '.join(untested)}): a metric at k needs k results, and "
        "Entropy and TTR of such lists are not tested."
    ]


_HEADINGS = (
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


def _block(comparison: RunComparison, index: int) -> str:
    """The run `others[index]` against the reference, one line per metric."""
    rows: list[tuple[str, ...]] = []
    tested, marked = comparison.comparisons[index], comparison.others[index].id not in comparison.unlike
    for metric, of_runs in comparison.values.items():
        name = f"{metric_name(metric)}{metric_arrow(metric)}"
        both = ("-" if value is None else format_value(value, metric) for value in (of_runs[0], of_runs[index + 1]))
        if metric not in tested:
            rows.append((name, *both, *[""] * (len(_HEADINGS) - 3)))
            continue
        c = tested[metric]
        interval = "" if c.low is None or c.high is None else f"{_signed(c.low, metric)} to {_signed(c.high, metric)}"
        rows.append(
            (
                name,
                *both,
                _signed(c.difference, metric) + ("*" if marked and c.p_holm <= ALPHA else " "),
                interval,
                f"{c.p:.2g}",
                f"{c.p_holm:.2g}",
                format_value(c.detectable, metric),
                "" if c.effect is None else f"{c.effect:+.3f}",
                "" if c.wins is None else f"{c.wins}/{c.losses}/{c.ties}",
            )
        )
    return "\n".join([f"run        {_describe_run(comparison.others[index])}", *format_columns(rows, _HEADINGS)])


def _signed(value: float, metric: str) -> str:
    text = format_value(value, metric)
    return text if text.startswith("-") else f"+{text}"


def to_dict(comparison: RunComparison) -> dict[str, Any]:
    """The comparison in JSON's types."""
    return {
        "reference": comparison.reference.id,
        "users": comparison.n_users,
        "resamples": comparison.resamples,
        "unlike_trainings": comparison.unlike,
        "values": {
            run.id: {metric: values[index] for metric, values in comparison.values.items()}
            for index, run in enumerate((comparison.reference, *comparison.others))
        },
        "comparisons": {
            run.id: {metric: asdict(tested) for metric, tested in by_metric.items()}
            for run, by_metric in zip(comparison.others, comparison.comparisons, strict=True)
        },
    }
