"""Systems of stored runs compared with the first one, every metric tested (`mrbench compare`).

Runs that differ only in the seed are one system.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import UsageError
from ..metrics.names import KS
from ..stats.comparison import TEST_NAMES, Comparison, PairedTest, System, compare
from ..stats.diversity_tests import DIVERSITY_METRICS
from ..stats.paired_tests import ALPHA
from ..stats.resampling import RESAMPLES
from ..store.run_spec import RunSettings
from ..store.runs import Run
from .code_labels import with_code
from .comparability import unlike_trainings
from .metric_format import count_users, format_value, metric_arrow, metric_name
from .tables.run_data import code_kinds, group_seeds, load_systems, runs_without_codes, system_value
from .text_table import format_columns


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Systems compared with the first of them.

    Attributes:
        reference: the runs of the first system, one a seed.
        others: those of each other system.
        values: metric -> value of each system, the reference first, averaged over the seeds (lists pooled for Entropy
            and TTR), None for a metric at k where its lists are shorter; without Entropy and TTR where the runs have
            different semantic IDs or different kinds of codes, or a compact run lacks its codes.
        spreads: metric -> standard deviation over the seeds of each system, None for one seed, Entropy and TTR.
        comparisons: for each of `others`, metric -> comparison with the reference, corrected by Holm over the systems
            for each metric.
        unlike: name of a system that is the result of another training of the reference's model -> the reason. A
            system's name is the id of its first run.
        beyond: the k asked for that all lists are shorter than.
        n_users: number of users that all of them evaluated.
        resamples: of the randomisation tests and the bootstrap.
    """

    reference: tuple[Run, ...]
    others: tuple[tuple[Run, ...], ...]
    values: dict[str, tuple[float | None, ...]]
    spreads: dict[str, tuple[float | None, ...]]
    comparisons: tuple[dict[str, Comparison], ...]
    unlike: dict[str, str]
    beyond: tuple[int, ...]
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
    """Compare systems of stored runs with the system of the first run.

    Args:
        runs: of two systems or more; those that differ only in the seed are one system.
        test: for all metrics but HR, Entropy and TTR.
        ks: HR and NDCG are compared at each of these k that no list is shorter than; but NDCG@1 is HR@1.
        resamples: of the randomisation tests and the bootstrap.
        seed: of both.

    Raises:
        UsageError: fewer than two systems, a run given twice, or runs over different users or data.
        DataError: a file of a run is missing or can't be read.
    """
    ids = [run.id for run in runs]
    if len(ids) < 2:
        raise UsageError("a comparison needs at least two runs; name another one")
    if len(set(ids)) < len(ids):
        raise UsageError(f"run {max(ids, key=ids.count)} is named twice; name each run once")
    ranking = [metric for name in ("hr", "ndcg") for k in ks if (metric := f"{name}@{k}") != "ndcg@1"]
    grouped = group_seeds(runs)
    if len(grouped) < 2:
        raise UsageError(f"runs {', '.join(ids)} differ only in the seed and are one system; name a run of another")
    systems = load_systems([(of_system[0].id, of_system) for of_system in grouped], with_codes=True, metrics=ranking)
    metrics = [metric for metric in ranking if any(metric in system.values for system in systems)]
    metrics += DIVERSITY_METRICS if systems[0].counts is not None else ()
    comparisons = compare(systems[0], systems[1:], metrics, test=test, resamples=resamples, seed=seed)
    values = {metric: tuple(system_value(system, metric) for system in systems) for metric in metrics}
    spreads = {metric: tuple(_spread(system, metric) for system in systems) for metric in metrics}
    reference, *others = grouped
    reasons = {of_system[0].id: unlike_trainings(reference, of_system) for of_system in others}
    unlike = {name: reason for name, reason in reasons.items() if reason}
    return RunComparison(
        reference,
        tuple(others),
        values,
        spreads,
        tuple(comparisons),
        unlike,
        beyond=tuple(k for k in ks if k > max(run.spec.beam for run in runs)),
        n_users=len(systems[0].users),
        resamples=resamples,
    )


def _spread(system: System, metric: str) -> float | None:
    """Standard deviation over the seeds of the mean over users."""
    if system.seeds == 1 or metric not in system.values:
        return None
    return float(np.std(system.seed_values(metric).mean(axis=1), ddof=1))


def to_text(comparison: RunComparison) -> str:
    """The comparison for a terminal: one block for each system against the first."""
    reference, others = comparison.reference, comparison.others
    first = reference[0]
    descriptions = _describe_systems([reference, *others])
    holdout = "" if first.spec.holdout == RunSettings.holdout else f", holdout {first.spec.holdout}"
    blocks = [f"reference  {descriptions[0]}\non {first.summary.data}, {count_users(comparison.n_users)}{holdout}"]
    blocks += [
        f"{run} and the reference are of one model, trained otherwise ({reason}): their difference is not one of "
        "decoders, and has no mark."
        for run, reason in comparison.unlike.items()
    ]
    blocks += [_block(comparison, index, description) for index, description in enumerate(descriptions[1:])]
    blocks += [*_codes_note(comparison), *_lengths_note(comparison)]
    tests = {metric.test for by_metric in comparison.comparisons for metric in by_metric.values()}
    names = "; ".join(TEST_NAMES[test] for test in TEST_NAMES if test in tests)
    seeds = {len(of_system) for of_system in (reference, *others)}
    over = "users" if seeds == {1} else "users and seeds"
    blocks.append(
        f"difference: run minus reference with its bootstrap 95% interval over {over}. p: {names}; two-sided, "
        f"{comparison.resamples:,} resamples; Holm over {len(others)} comparison{'s' if len(others) > 1 else ''} a "
        f"metric, * at {ALPHA}.\n"
        "detectable: the smallest difference that these users show with 80% power at 0.05. d_z: mean difference over "
        "the standard deviation of differences." + ("" if seeds == {1} else _SEEDS_NOTE)
    )
    return "\n\n".join(blocks)


_SEEDS_NOTE = (
    "\n±: standard deviation over seeds. seed noise: the largest difference that seeds alone explain (95% t interval)."
    "\nFew seeds make a coarse interval, too narrow where seeds vary more than users. p is for these seeds."
)


def _describe_systems(systems: Sequence[Sequence[Run]]) -> list[str]:
    firsts = [runs[0] for runs in systems]
    models = with_code([run.summary.model for run in firsts], [run.spec.model.code for run in firsts])
    decoders = with_code([run.summary.decoder for run in firsts], [run.spec.decoder.code for run in firsts])
    return [_describe_system(*of_system) for of_system in zip(systems, models, decoders, strict=True)]


def _describe_system(runs: Sequence[Run], model: str, decoder: str) -> str:
    spec = runs[0].spec
    size = f" ({spec.model.size})" if spec.model.size else ""
    history = "" if spec.history == RunSettings.history else f", history of {spec.history}"
    excluded = ", history excluded" if spec.exclude_history else ""
    seeds = f"seed{'s' if len(runs) > 1 else ''} {', '.join(str(run.spec.seed) for run in runs)}"
    parts = f"categories {spec.categories}, {seeds}{history}{excluded}"
    return f"{', '.join(run.id for run in runs)}  {model}{size} x {decoder}, {parts}"


def _codes_note(comparison: RunComparison) -> list[str]:
    """Why Entropy and TTR are left out, where they are."""
    runs = [run for of_system in (comparison.reference, *comparison.others) for run in of_system]
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
    notes, metrics = [], comparison.values
    if comparison.beyond:
        longest = max(run.spec.beam for runs in (comparison.reference, *comparison.others) for run in runs)
        left_out = ", ".join(f"@{k}" for k in comparison.beyond)
        notes.append(f"Left out: {left_out}, since the longest of the lists has {longest} results.")
    untested = [
        of_system[0].id
        for of_system, by_metric in zip(comparison.others, comparison.comparisons, strict=True)
        if any(metric not in by_metric for metric in metrics)
    ]
    if untested:
        notes.append(
            f"Lists of another length than the reference's ({', '.join(untested)}): a metric at k needs k results, and "
            "Entropy and TTR of such lists are not tested."
        )
    return notes


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


def _block(comparison: RunComparison, index: int, description: str) -> str:
    """The system `others[index]` against the reference, one line per metric."""
    rows: list[tuple[str, ...]] = []
    system, tested = comparison.others[index], comparison.comparisons[index]
    marked = system[0].id not in comparison.unlike
    several = max(len(comparison.reference), len(system)) > 1
    headings = (*_HEADINGS, "seed noise") if several else _HEADINGS
    none = "-" if comparison.n_users == 1 else ""
    for metric, of_systems in comparison.values.items():
        name = f"{metric_name(metric)}{metric_arrow(metric)}"
        spreads = comparison.spreads[metric]
        both = [_with_spread(of_systems[i], spreads[i], metric) for i in (0, index + 1)]
        if metric not in tested:
            rows.append((name, *both, *[""] * (len(headings) - 3)))
            continue
        c = tested[metric]
        interval = none if c.low is None or c.high is None else f"{_signed(c.low, metric)} to {_signed(c.high, metric)}"
        rows.append(
            (
                name,
                *both,
                _signed(c.difference, metric) + ("*" if marked and c.p_holm <= ALPHA else " "),
                interval,
                f"{c.p:.2g}",
                f"{c.p_holm:.2g}",
                "-" if c.detectable is None else format_value(c.detectable, metric),
                none if c.effect is None else f"{c.effect:+.3f}",
                "" if c.wins is None else f"{c.wins}/{c.losses}/{c.ties}",
                *(["" if c.seed_noise is None else format_value(c.seed_noise, metric)] if several else []),
            )
        )
    lines = [f"run        {description}", *format_columns(rows, headings)]
    return "\n".join([*lines, *_noise_sentence(comparison.reference, system, tested)])


def _with_spread(value: float | None, spread: float | None, metric: str) -> str:
    if value is None:
        return "-"
    return format_value(value, metric) + ("" if spread is None else f" ±{format_value(spread, metric)}")


def _noise_sentence(reference: Sequence[Run], system: Sequence[Run], tested: Mapping[str, Comparison]) -> list[str]:
    """Which differences are above the noise of seeds; nothing where that is not known."""
    known = {metric: c.above_seed_noise for metric, c in tested.items() if c.above_seed_noise is not None}
    if not known:
        return []
    above, within = (
        ", ".join(metric_name(metric) for metric in known if known[metric] is wanted) or "none"
        for wanted in (True, False)
    )
    single = [name for name, runs in (("the reference", reference), ("the run", system)) if len(runs) == 1]
    unknown = f" (of one seed of {single[0]}, taken to have none)" if single else ""
    return [f"Above the noise of seeds{unknown}: {above}; within it: {within}."]


def _signed(value: float, metric: str) -> str:
    text = format_value(value, metric)
    return text if text.startswith("-") else f"+{text}"


def to_dict(comparison: RunComparison) -> dict[str, Any]:
    """The comparison in JSON's types; a system's name is the id of its first run."""
    systems = (comparison.reference, *comparison.others)
    return {
        "reference": comparison.reference[0].id,
        "systems": {runs[0].id: [run.id for run in runs] for runs in systems},
        "users": comparison.n_users,
        "resamples": comparison.resamples,
        "unlike_trainings": comparison.unlike,
        "ks_left_out": list(comparison.beyond),
        "values": {
            runs[0].id: {metric: values[index] for metric, values in comparison.values.items()}
            for index, runs in enumerate(systems)
        },
        "spreads": {
            runs[0].id: {metric: spreads[index] for metric, spreads in comparison.spreads.items()}
            for index, runs in enumerate(systems)
        },
        "comparisons": {
            runs[0].id: {metric: asdict(tested) for metric, tested in by_metric.items()}
            for runs, by_metric in zip(comparison.others, comparison.comparisons, strict=True)
        },
    }
