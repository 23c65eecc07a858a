"""Which options each group of a sweep chooses, and the sweep as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..experiment.config import ExperimentConfig
from ..metrics.accuracy import RANKING_METRICS
from ..report.columns import aligned
from .execute import Progress
from .plan import Cell, Sweep, differing

SHOWN = ("hr@1", "hr@3", "hr@10", "ndcg@10")
"""Test metrics that the text shows; JSON has all."""


@dataclass(frozen=True)
class Choice:
    """What one group chose.

    Attributes:
        group: what its cells have in common.
        best: the cells of the chosen options, one a seed.
        score: their mean on the validation items.
        complete, competed: how many options had all their seeds, and how many there are.
    """

    group: ExperimentConfig
    best: tuple[Cell, ...]
    score: float
    complete: int
    competed: int


def choose(sweep: Sweep, progress: Progress) -> list[Choice]:
    """The best options of each group by the mean over its seeds, the first in the file where several are equal.

    Options of which a seed is missing or failed do not compete, and groups without any are left out.
    """
    choices = []
    for group, cells in sweep.groups.items():
        competing: dict[str, list[Cell]] = {}
        for cell in cells:
            competing.setdefault(cell.options, []).append(cell)
        scores = {}
        for options, seeds in competing.items():
            score = _mean([cell.question for cell in seeds], sweep.choose, progress)
            if score is not None:
                scores[options] = score
        if scores:
            best = max(scores, key=lambda options: scores[options])
            choices.append(Choice(group, tuple(competing[best]), scores[best], len(scores), len(competing)))
    return choices


def _mean(questions: Sequence[ExperimentConfig], metric: str, progress: Progress) -> float | None:
    """The mean of a metric over these runs; None where one is missing."""
    found = [progress.outcomes.get(question) for question in questions]
    values = [outcome.summary["metrics"][metric] for outcome in found if outcome and outcome.summary]
    return sum(values) / len(values) if len(values) == len(questions) else None


def as_object(sweep: Sweep, choices: Sequence[Choice], progress: Progress) -> dict[str, Any]:
    """Everything in JSON's types."""
    failed = {q: o.error for q, o in progress.outcomes.items() if o.error}
    return {
        "choose": sweep.choose,
        "cells": [
            {"question": vars(question), "run": (outcome.summary or {}).get("run"), "error": outcome.error or None}
            | {"metrics": (outcome.summary or {}).get("metrics"), "reused": outcome.reused}
            for question, outcome in progress.outcomes.items()
        ],
        "chosen": [
            {"group": vars(choice.group) | {"seed": [cell.question.seed for cell in choice.best]}}
            | {"options": choice.best[0].options, "valid": choice.score, "complete": choice.complete}
            | {"competed": choice.competed, "test": _test(choice, progress)}
            for choice in choices
        ],
        "failed": len(failed),
        "remaining": progress.total - len(progress.outcomes),
    }


def _test(choice: Choice, progress: Progress) -> dict[str, float | None]:
    return {metric: _mean([cell.test for cell in choice.best], metric, progress) for metric in RANKING_METRICS}


def to_text(sweep: Sweep, choices: Sequence[Choice], progress: Progress) -> str:
    """The chosen options of each group, their test metrics, and what ran, failed and remains."""
    names = differing([choice.group for choice in choices]) or ["model"]
    rows = [(*names, "chosen", f"valid {sweep.choose}", *(f"test {metric}" for metric in SHOWN), "of")]
    for choice in choices:
        test = _test(choice, progress)
        group = [str(getattr(choice.group, name)) for name in names]
        cells = [choice.best[0].options or "-", f"{choice.score:.4f}"]
        cells += [_number(test[metric]) for metric in SHOWN]
        rows.append((*group, *cells, f"{choice.complete}/{choice.competed}"))
    lines = aligned(rows) if choices else ["no group has options with all their seeds yet"]
    return "\n".join([*lines, "", *_counts(progress)])


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _counts(progress: Progress) -> list[str]:
    outcomes = list(progress.outcomes.values())
    failed = [outcome for outcome in outcomes if outcome.error]
    reused = sum(outcome.reused for outcome in outcomes)
    ran = len(outcomes) - reused - len(failed)
    remain = progress.total - len(outcomes)
    lines = [f"cells: {ran} ran, {reused} were there, {len(failed)} failed, {remain} remain"]
    return lines + [f"failed: {_words(outcome.question)}: {outcome.error}" for outcome in failed]


def _words(question: ExperimentConfig) -> str:
    return f"{question.model} x {question.decoder} on {question.data}, seed {question.seed}, {question.split}"
