"""The results of a sweep: the selected model options of each group, as objects, in JSON and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..experiment.config import ExperimentConfig
from ..metrics.names import RANKING_METRICS
from ..report.text_table import format_columns
from .execute import SweepProgress
from .plan import SweepPlan, SweepRun, differing_fields

SHOWN_METRICS = ("hr@1", "hr@3", "hr@10", "ndcg@10")
"""Test metrics in the text; JSON has all."""


@dataclass(frozen=True)
class SelectedOptions:
    """The selected model options of one group.

    Attributes:
        group: what all runs of the group have in common.
        runs: the runs with the selected options, one per seed.
        score: mean of the sweep's metric over these runs, on the validation items.
        n_complete: how many options have a result for every seed.
        n_candidates: how many options the group has.
    """

    group: ExperimentConfig
    runs: tuple[SweepRun, ...]
    score: float
    n_complete: int
    n_candidates: int


def select_options(plan: SweepPlan, progress: SweepProgress) -> list[SelectedOptions]:
    """The options with the best mean over the seeds in each group; of equal ones the first in the file.

    Options with a missing or failed seed do not compete, and groups without any complete options are left out.
    """
    selected = []
    for group, group_runs in plan.groups.items():
        candidates: dict[str, list[SweepRun]] = {}
        for run in group_runs:
            candidates.setdefault(run.model_options, []).append(run)
        scores = {}
        for model_options, runs in candidates.items():
            score = _mean([run.config for run in runs], plan.metric, progress)
            if score is not None:
                scores[model_options] = score
        if scores:
            best = max(scores, key=lambda model_options: scores[model_options])
            selected.append(SelectedOptions(group, tuple(candidates[best]), scores[best], len(scores), len(candidates)))
    return selected


def _mean(configs: Sequence[ExperimentConfig], metric: str, progress: SweepProgress) -> float | None:
    """The mean of a metric over these runs; None if one is missing."""
    outcomes = [progress.outcomes.get(config) for config in configs]
    values = [outcome.metrics[metric] for outcome in outcomes if outcome and outcome.run]
    return sum(values) / len(values) if len(values) == len(configs) else None


def _test_metrics(selected: SelectedOptions, progress: SweepProgress) -> dict[str, float | None]:
    configs = [run.test_config for run in selected.runs]
    return {metric: _mean(configs, metric, progress) for metric in RANKING_METRICS}


def sweep_to_dict(plan: SweepPlan, selected: Sequence[SelectedOptions], progress: SweepProgress) -> dict[str, Any]:
    """All results, in JSON's types."""
    return {
        "choose": plan.metric,
        "cells": [
            {"question": vars(config), "run": outcome.run, "error": outcome.error or None}
            | {"metrics": outcome.metrics if outcome.run else None, "reused": outcome.reused}
            for config, outcome in progress.outcomes.items()
        ],
        "chosen": [
            {"group": vars(options.group) | {"seed": [run.config.seed for run in options.runs]}}
            | {"options": options.runs[0].model_options, "valid": options.score, "complete": options.n_complete}
            | {"competed": options.n_candidates, "test": _test_metrics(options, progress)}
            for options in selected
        ],
        "failed": sum(bool(outcome.error) for outcome in progress.outcomes.values()),
        "remaining": progress.total - len(progress.outcomes),
    }


def format_sweep(plan: SweepPlan, selected: Sequence[SelectedOptions], progress: SweepProgress) -> str:
    """The selected options of each group with their test metrics, and how many runs are done, failed and remain."""
    names = differing_fields([options.group for options in selected]) or ["model"]
    headings = (*names, "chosen", f"valid {plan.metric}", *(f"test {metric}" for metric in SHOWN_METRICS), "of")
    rows = []
    for options in selected:
        test = _test_metrics(options, progress)
        group = [str(getattr(options.group, name)) for name in names]
        metrics = [_format_metric(value) for value in (options.score, *(test[metric] for metric in SHOWN_METRICS))]
        complete = f"{options.n_complete}/{options.n_candidates}"
        rows.append((*group, options.runs[0].model_options or "-", *metrics, complete))
    lines = format_columns(rows, headings) if selected else ["no group has options with all their seeds yet"]
    return "\n".join([*lines, "", *_count_lines(progress)])


def _format_metric(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _count_lines(progress: SweepProgress) -> list[str]:
    outcomes = list(progress.outcomes.values())
    failed = [outcome for outcome in outcomes if outcome.error]
    n_reused = sum(outcome.reused for outcome in outcomes)
    n_computed = len(outcomes) - n_reused - len(failed)
    n_remaining = progress.total - len(outcomes)
    lines = [f"runs: {n_computed} computed, {n_reused} reused, {len(failed)} failed, {n_remaining} remaining"]
    return lines + [f"failed: {_describe(outcome.config)}: {outcome.error}" for outcome in failed]


def _describe(config: ExperimentConfig) -> str:
    return f"{config.model} x {config.decoder} on {config.data}, seed {config.seed}, {config.split}"
