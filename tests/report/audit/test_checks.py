"""Arithmetic checks of possible and impossible metrics."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mindrec_bench.report.audit.checks import ReportedMetrics, check_pair, check_run, check_system, p_range_text
from mindrec_bench.stats.paired_tests import PValueRange
from mindrec_bench.store.run_spec import DataSpec, DecoderSpec, ModelSpec, RunSpec
from mindrec_bench.store.run_summary import SlotCounts
from mindrec_bench.store.runs import Run

from ...summaries import make_summary, with_summary


def check(reported: ReportedMetrics, kind: str) -> list[tuple[str, bool]]:
    """Sentence and verdict of each finding of one kind."""
    return [(finding.sentence, finding.problem) for finding in check_system(reported) if finding.id == kind]


@pytest.mark.parametrize(
    ("text", "problem", "words"),
    [("0.0280", False, "= 140 is a whole number"), ("0.0281", True, "= 140.5 is no whole number")],
)
def test_hr_counts_whole_users(text: str, problem: bool, words: str) -> None:
    ((sentence, is_problem),) = check(ReportedMetrics("x", {"hr@1": text}, 5000), "counts")
    assert is_problem is problem
    assert words in sentence


def test_hr_must_not_fall_with_k() -> None:
    findings = check(ReportedMetrics("x", {"hr@1": "0.0280", "hr@3": "0.0270"}, 5000), "counts")
    assert [problem for _, problem in findings] == [False, True]
    assert "fewer than the 140" in findings[1][0]


def test_hr_with_too_few_digits_is_not_checked() -> None:
    assert check(ReportedMetrics("x", {"hr@1": "0.03"}, 5000), "counts") == []


def test_the_hr_of_a_stored_run_is_checked_exactly() -> None:
    assert check(ReportedMetrics("x", {"hr@1": 140 / 5000}, 5000), "counts")[0][1] is False
    assert check(ReportedMetrics("x", {"hr@1": 140.01 / 5000}, 5000), "counts")[0][1] is True


@pytest.mark.parametrize(
    ("ndcg", "problem"), [("0.0289", False), ("0.0292", False), ("0.0294", True), ("0.0287", True)]
)
def test_ndcg_lies_between_the_first_and_last_ranks(ndcg: str, problem: bool) -> None:
    """139 users at rank 1 and 11 at ranks 2-3: NDCG@3 from (139 + 11/2) to (139 + 11/log2(3)), over 5,000."""
    ((sentence, is_problem),) = check(
        ReportedMetrics("x", {"hr@1": "0.0278", "ndcg@3": ndcg, "hr@3": "0.0300"}, 5000), "ndcg"
    )
    assert is_problem is problem
    assert "11 hits at ranks 2 to 3 add 0.00110 to 0.00139" in sentence


def test_ndcg_of_real_hits_is_possible() -> None:
    ranks = [1] * 40 + [2] * 7 + [4] * 5 + [9] * 3
    metrics = {}
    for k in (1, 3, 5, 10):
        inside = [rank for rank in ranks if rank <= k]
        metrics |= {f"hr@{k}": len(inside) / 900, f"ndcg@{k}": sum(1 / math.log2(rank + 1) for rank in inside) / 900}
    assert [problem for _, problem in check(ReportedMetrics("x", metrics, 900), "ndcg")] == [False] * 3


def test_ttr_of_few_tokens_may_be_1() -> None:
    ((sentence, problem),) = check(ReportedMetrics("x", {"ttr": 1.0}, 5, 10, 1010), "ttr")
    assert not problem
    assert "can't exceed 1.00000" in sentence


def test_ttr_of_short_lists_has_a_higher_bound() -> None:
    ((sentence, problem),) = check(ReportedMetrics("x", {"ttr": 0.0093}, 5000, 10, 1010, tokens=108_000), "ttr")
    assert not problem
    assert "over the 108,000 tokens of lists shorter than 10 TTR can't exceed 0.00935" in sentence


@pytest.mark.parametrize(
    ("ttr", "problem"), [("0.0092", True), ("0.0048", False), ("0.0050", False), ("0.0051", False)]
)
def test_ttr_is_within_the_number_of_codes(ttr: str, problem: bool) -> None:
    ((sentence, is_problem),) = check(ReportedMetrics("x", {"ttr": ttr}, 5000, 10, 1010), "ttr")
    assert is_problem is problem
    assert "5,000 users x 10 results x 4 codes = 200,000 tokens TTR can't exceed 0.00505" in sentence
    assert ("half of the tokens would give 920 codes" in sentence) is (ttr == "0.0092")


@pytest.mark.parametrize(("entropy", "problem"), [("9.191", False), ("9.990", True)])
def test_entropy_is_within_the_logarithm_of_the_number_of_codes(entropy: str, problem: bool) -> None:
    ((sentence, is_problem),) = check(ReportedMetrics("x", {"entropy": entropy}, 5000, 10, 1010), "entropy")
    assert is_problem is problem
    assert "log2(1,010 codes) = 9.980 bits" in sentence


def test_diversity_needs_the_number_of_codes() -> None:
    assert check_system(ReportedMetrics("x", {"ttr": "0.9", "entropy": "99.0"}, 5000)) == []


def test_a_pair_gives_the_range_of_p() -> None:
    a, b = ReportedMetrics("a", {"hr@1": "0.0280"}, 5000), ReportedMetrics("b", {"hr@1": "0.0252"}, 5000)
    (finding,) = check_pair("Table 2", ("a", "b"), (a, b))
    assert "'a' 140 and 'b' 126 of 5,000 users: exact McNemar p between 0.00012 and 0.43" in finding.sentence
    assert not finding.problem


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.0, 1 - 1e-15, "p = 1 whatever the overlap"),
        (0.5, 0.96, "p >= 0.5 whatever the overlap (at most 0.96)"),
        (0.001, 0.3, "p between 0.001 and 0.3 by the overlap"),
    ],
)
def test_p_range_text(low: float, high: float, text: str) -> None:
    assert p_range_text(PValueRange(low, high)) == text


def test_a_stored_run_passes_the_same_checks() -> None:
    spec = RunSpec(
        data=DataSpec("arts", "0123", 100), model=ModelSpec("markov"), decoder=DecoderSpec("bs"), categories="none"
    )
    metrics = {
        "hr@1": 0.05, "hr@3": 0.07, "ndcg@3": (5 + 2 / math.log2(3)) / 100, "ttr": 0.0125, "entropy": 5.0,
        "distinct_codes": 50,
    }  # fmt: skip
    summary = make_summary(spec, metrics=metrics, slots=SlotCounts(0, 4, 50, (10, 10, 10, 20)))
    run = Run(Path("runs"), spec, summary, {})
    assert [(f.id, f.problem) for f in check_run(run)] == [
        ("counts", False), ("counts", False), ("ndcg-of-hr", False), ("ndcg", False), ("ttr", False),
        ("entropy", False),
    ]  # fmt: skip
    run = with_summary(run, metrics={**metrics, "ttr": 51 / 4000, "distinct_codes": 51})
    assert [f.id for f in check_run(run) if f.problem] == ["ttr"]
