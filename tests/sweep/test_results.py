"""The selection of options, and the results of a sweep, from made-up outcomes."""

from __future__ import annotations

import pytest

from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.metrics.names import RANKING_METRICS
from mindrec_bench.sweep.execute import SweepOutcome, SweepProgress
from mindrec_bench.sweep.plan import SweepPlan, SweepRun
from mindrec_bench.sweep.results import format_sweep, select_options, sweep_to_dict


def make_run(model_options, seed, data="arts-sim"):
    return SweepRun(
        ExperimentConfig(f"llada:{model_options}", "bs", data, seed=seed, split="valid"),
        ExperimentConfig("llada", "bs", data, seed=0),
        model_options,
    )


RUNS = tuple(make_run(model_options, seed) for model_options in ("lr=1", "lr=2", "lr=3") for seed in (0, 1))


def make_progress(scores, total=None):
    """Outcomes with these scores; None is a failure."""
    outcomes = {
        config: SweepOutcome(config, error="it broke")
        if score is None
        else SweepOutcome(config, "abc", dict.fromkeys(RANKING_METRICS, score))
        for config, score in scores.items()
    }
    return SweepProgress(outcomes, total if total is not None else len(outcomes))


def valid_scores(*scores):
    return {run.config: score for run, score in zip(RUNS, scores, strict=False)}


def test_the_best_mean_over_seeds_is_selected():
    (selected,) = select_options(SweepPlan(RUNS), make_progress(valid_scores(0.1, 0.5, 0.4, 0.4, 0.6, 0.0)))
    assert selected.runs == RUNS[2:4]
    assert selected.score == pytest.approx(0.4)
    assert (selected.n_complete, selected.n_candidates) == (3, 3)


def test_of_equal_scores_the_first_in_the_file_is_selected():
    (selected,) = select_options(SweepPlan(RUNS), make_progress(valid_scores(0.3, 0.3, 0.3, 0.3, 0.1, 0.1)))
    assert selected.runs == RUNS[:2]


def test_options_with_a_failed_or_missing_seed_do_not_compete():
    (selected,) = select_options(SweepPlan(RUNS), make_progress(valid_scores(0.9, None, 0.2, 0.2, 0.8)))
    assert selected.runs == RUNS[2:4]
    assert (selected.n_complete, selected.n_candidates) == (1, 3)


def test_options_are_selected_for_each_group():
    runs = tuple(make_run(model_options, 0, data) for data in ("arts", "games") for model_options in ("lr=1", "lr=2"))
    scores = {run.config: score for run, score in zip(runs, (1, 2, 4, 3), strict=True)}
    selected = select_options(SweepPlan(runs), make_progress(scores))
    assert [options.runs[0].model_options for options in selected] == ["lr=2", "lr=1"]


def test_the_text_names_failures_and_what_remains():
    plan, progress = SweepPlan(RUNS), make_progress(valid_scores(0.1, 0.2, None, 0.1), total=6)
    text = format_sweep(plan, select_options(plan, progress), progress)
    assert "runs: 3 computed, 0 reused, 1 failed, 2 remaining" in text
    assert "failed: llada:lr=2 x bs on arts-sim, seed 0, valid: it broke" in text
    assert "lr=1" in text.splitlines()[1]


def test_the_text_before_any_options_are_complete():
    assert "no group has options" in format_sweep(SweepPlan(RUNS), [], make_progress({}, total=6))


def test_test_metrics_come_from_the_test_runs_of_the_selected_options():
    plan = SweepPlan(RUNS)
    scores = valid_scores(0.1, 0.1, 0.5, 0.5, 0.2, 0.2) | {RUNS[2].test_config: 0.25, RUNS[3].test_config: 0.75}
    progress = make_progress(scores)
    results = sweep_to_dict(plan, select_options(plan, progress), progress)
    assert results["chosen"][0]["test"]["hr@10"] == 0.5
    assert results["chosen"][0]["group"]["seed"] == [0, 1]
    assert (results["failed"], results["remaining"]) == (0, 0)
