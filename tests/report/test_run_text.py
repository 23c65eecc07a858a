"""A run as text: every number is from the summary, and what the summary lacks is not shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mindrec_bench.core.backbone import FitReport
from mindrec_bench.report.run_text import run_text
from mindrec_bench.store.run_spec import DataSpec, DecoderSpec, ModelSpec, RunSpec
from mindrec_bench.store.run_summary import Environment, SlotCounts, Timings
from mindrec_bench.store.runs import Run

from ..summaries import make_summary, with_spec, with_summary

METRICS = {
    "hr@1": 0.01234, "hr@3": 0.02, "hr@5": 0.03, "hr@10": 0.04, "ndcg@1": 0.01234, "ndcg@3": 0.015, "ndcg@5": 0.018,
    "ndcg@10": 0.021, "mrr@1": 0.01234, "mrr@3": 0.014, "mrr@5": 0.016, "mrr@10": 0.019,
    "entropy": 8.1234, "ttr": 0.00421, "ttr_bound": 0.00505, "distinct_codes": 842, "valid": 0.987,
    "duplicates": 0.013, "coverage": 0.25, "gini": 0.8, "popularity": 31.06, "novelty": 9.876,
}  # fmt: skip
TIMINGS = Timings(1234.4, 1, 128, 128, 0.1, 0.25, 48, 512 * 2**20)
FIT = FitReport(epochs=2.5, steps=10, parameters=102720, seconds=90.0)


@pytest.fixture
def run():
    spec = RunSpec(
        data=DataSpec("arts-sim", "0123", 2000),
        model=ModelSpec("llada", {"p_mask": 0.5}, "tiny"),
        decoder=DecoderSpec("dbs-penalty"),
        categories="generate",
    )
    summary = make_summary(
        spec,
        model="llada:p_mask=0.5",
        slots=SlotCounts(3, 4, 1010, (242, 256, 256, 256)),
        metrics=METRICS,
        timings=TIMINGS,
        environment=Environment("cpu", "x86_64", 1, "3.11", {}),
    )
    return Run(Path("runs"), spec, summary, {})


def test_the_whole_text(run):
    assert run_text(run).splitlines() == [
        "llada:p_mask=0.5 (tiny) x dbs-penalty on arts-sim, 2,000 users, categories generate, constrain slots, "
        "beam 10, seed 42",
        "",
        "          @1      @3      @5     @10",
        "HR    0.0123  0.0200  0.0300  0.0400",
        "NDCG  0.0123  0.0150  0.0180  0.0210",
        "MRR   0.0123  0.0140  0.0160  0.0190",
        "",
        "Entropy 8.123 bits, TTR 0.00421 (at most 0.00505; 842 of 1,010 codes)",
        "real items 98.7%, duplicates 1.3%, catalogue coverage 25.0%, mean popularity 31.1, Gini 0.800, novelty "
        "9.88 bits",
        "decoding: 1,234 users/s on cpu, 48 forward passes, batch of 128: p50 0.100 s, p95 0.250 s, peak 512 MiB",
    ]


def test_slow_decoding_is_not_rounded_to_nothing(run):
    run = with_summary(run, timings=replace(TIMINGS, users_per_second=0.04321))
    assert "decoding: 0.043 users/s on cpu" in run_text(run)


def test_the_best_reachable_values_are_below_each_line_and_aligned_with_it(run):
    run = with_summary(run, optimum={key: 0.5 for key in METRICS if "@" in key})
    lines = run_text(run).splitlines()[2:7]
    assert [line.split("  ")[0] for line in lines[1:]] == ["HR", "HR, best reachable", "NDCG", "NDCG, best reachable"]
    assert lines[2].split()[-4:] == ["0.5000"] * 4
    assert len({len(line) for line in lines}) == 1


def test_search_error_is_below_the_metrics_where_it_is_known(run):
    search_error = {f"{name}@{k}": 0.12345 for name in ("exact", "lost", "lost_share") for k in (1, 3, 5)}
    run = with_spec(with_summary(run, search_error=search_error), beam=5)
    lines = run_text(run).splitlines()[2:9]
    assert lines[4].split("  ")[0] == "exact top-k found"
    assert lines[4].split()[-4:] == ["12.3%", "12.3%", "12.3%", "-"]
    assert lines[5].split("  ")[0] == "probability lost"
    assert lines[5].split()[-4:] == ["12.35%", "12.35%", "12.35%", "-"]
    assert lines[6].split("  ")[0] == "share lost"
    assert lines[6].split()[-4:] == ["12.3%", "12.3%", "12.3%", "-"]
    assert len({len(line) for line in lines}) == 1
    older = {name: value for name, value in search_error.items() if "share" not in name}
    assert "share lost  " not in run_text(with_summary(run, search_error=older))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda run: with_spec(run, eval_users=100), "on arts-sim, the first 100 of 2,000 users, "),
        (lambda run: with_spec(run, model=ModelSpec("llada")), "llada:p_mask=0.5 x dbs-penalty"),
        (lambda run: with_spec(run, exclude_history=True), "seed 42, history excluded"),
        (lambda run: with_spec(run, search_error="rank-items"), "seed 42, search error by rank-items"),
        (
            lambda run: with_summary(run, notes=("12 users were skipped", "x")),
            "note: 12 users were skipped\nnote: x",
        ),
    ],
)
def test_parts_that_are_shown_only_where_they_apply(run, change, line):
    assert line not in run_text(run)
    assert line in run_text(change(run))


def test_a_single_forward_pass_is_in_the_singular(run):
    run = with_summary(run, timings=replace(TIMINGS, forward_passes=1))
    assert "on cpu, 1 forward pass, batch of 128" in run_text(run)


@pytest.mark.parametrize("under_trained", [False, True])
def test_the_line_of_the_training(run, under_trained):
    run = with_summary(run, fit=replace(FIT, under_trained=under_trained))
    line = run_text(run).splitlines()[-1]
    assert line.startswith("training: 2.5 epochs, 102,720 parameters, 1.5 minutes")
    assert ("under-trained" in line) == under_trained


@pytest.mark.parametrize(("precision", "line"), [("bf16", "1.5 minutes in bf16"), ("", "1.5 minutes")])
def test_the_precision_of_training_where_it_is_known(run, precision, line):
    run = with_summary(run, fit=replace(FIT, precision=precision))
    assert run_text(run).splitlines()[-1].endswith(f" {line}")
