"""What a group chooses, from invented outcomes."""

from __future__ import annotations

import pytest

from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.metrics.accuracy import RANKING_METRICS
from mindrec_bench.sweep.choice import as_object, choose, to_text
from mindrec_bench.sweep.execute import Outcome, Progress
from mindrec_bench.sweep.plan import Cell, Sweep


def cell(options, seed, data="arts-sim"):
    return Cell(
        ExperimentConfig(f"llada:{options}", "bs", data, seed=seed, split="valid"),
        ExperimentConfig("llada", "bs", data, seed=0),
        options,
    )


CELLS = tuple(cell(options, seed) for options in ("lr=1", "lr=2", "lr=3") for seed in (0, 1))


def progress(scores, total=None):
    """Outcomes of these cells' questions; None is a failure."""
    outcomes = {
        question: Outcome(question, error="it broke")
        if score is None
        else Outcome(question, {"run": "abc", "metrics": dict.fromkeys(RANKING_METRICS, score)})
        for question, score in scores.items()
    }
    return Progress(outcomes, total if total is not None else len(outcomes))


def valid(*scores):
    return {cell.question: score for cell, score in zip(CELLS, scores, strict=False)}


def test_the_best_mean_over_seeds_is_chosen():
    (choice,) = choose(Sweep(CELLS), progress(valid(0.1, 0.5, 0.4, 0.4, 0.6, 0.0)))
    assert choice.best == CELLS[2:4]
    assert choice.score == pytest.approx(0.4)
    assert (choice.complete, choice.competed) == (3, 3)


def test_equal_scores_choose_the_first_in_the_file():
    (choice,) = choose(Sweep(CELLS), progress(valid(0.3, 0.3, 0.3, 0.3, 0.1, 0.1)))
    assert choice.best == CELLS[:2]


def test_options_with_a_failed_or_missing_seed_do_not_compete():
    (choice,) = choose(Sweep(CELLS), progress(valid(0.9, None, 0.2, 0.2, 0.8)))
    assert choice.best == CELLS[2:4]
    assert (choice.complete, choice.competed) == (1, 3)


def test_each_group_chooses_for_itself():
    cells = (cell("lr=1", 0, "arts"), cell("lr=2", 0, "arts"), cell("lr=1", 0, "games"), cell("lr=2", 0, "games"))
    scores = {c.question: score for c, score in zip(cells, (1, 2, 4, 3), strict=True)}
    assert [choice.best[0].options for choice in choose(Sweep(cells), progress(scores))] == ["lr=2", "lr=1"]


def test_the_text_names_failures_and_what_remains():
    sweep, done = Sweep(CELLS), progress(valid(0.1, 0.2, None, 0.1), total=6)
    text = to_text(sweep, choose(sweep, done), done)
    assert "cells: 3 ran, 0 were there, 1 failed, 2 remain" in text
    assert "failed: llada:lr=2 x bs on arts-sim, seed 0, valid: it broke" in text
    assert "lr=1" in text.splitlines()[1]


def test_nothing_whole_yet():
    assert "no group has options" in to_text(Sweep(CELLS), [], progress({}, total=6))


def test_test_metrics_are_those_of_the_chosen_on_the_test_items():
    sweep = Sweep(CELLS)
    scores = valid(0.1, 0.1, 0.5, 0.5, 0.2, 0.2) | {CELLS[2].test: 0.25, CELLS[3].test: 0.75}
    done = progress(scores)
    found = as_object(sweep, choose(sweep, done), done)
    assert found["chosen"][0]["test"]["hr@10"] == 0.5
    assert found["chosen"][0]["group"]["seed"] == [0, 1]
    assert (found["failed"], found["remaining"]) == (0, 0)
