"""What the audit must find in the paper's tables (docs/semantics.md, Metrics and Significance)."""

from __future__ import annotations

import pytest

from mindrec_bench.report.audit.checks import Finding
from mindrec_bench.report.audit.published_tables import audit_paper, check_improvement
from mindrec_bench.report.table_spec_io import parse_table_spec


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return audit_paper()


def select(findings: list[Finding], kind: str, subject: str = "", *words: str) -> list[Finding]:
    return [
        f for f in findings if f.id == kind and f.subject.startswith(subject) and all(w in f.sentence for w in words)
    ]


def test_every_published_number_is_checked(findings: list[Finding]) -> None:
    counts = {
        kind: len(select(findings, kind)) for kind in ("counts", "ndcg", "ttr", "entropy", "mcnemar", "statistics")
    }
    # 21 + 12 cells of Table 2, and 12 rows of Tables 3-6: HR, NDCG steps, TTR (and the mixed column), entropy, pairs.
    assert counts == {
        "counts": 21 * 2 + 12 * 4, "ndcg": 21 + 12 * 3, "ttr": 12 + 1, "entropy": 12,
        "mcnemar": 3 * 21 * 2 + (6 + 1 + 3 + 3) * 4, "statistics": 18,
    }  # fmt: skip


def test_only_ttr_and_table_1_have_problems(findings: list[Finding]) -> None:
    assert {f.id for f in findings if f.problem} == {"ttr", "statistics"}


@pytest.mark.parametrize(
    ("subject", "words", "low", "high"),
    [
        ("Table 6, arts", ("HR@3", "'DBS-Deduplication' 169 and 'DBS-Diversity penalty' 171"), 0.5, None),
        ("Table 4, arts", ("HR@1", "'LLaDA-1.5B' 137 and 'LLaDA-8B-Instruct' 140"), 0.25, None),
        ("Table 2, arts", ("HR@1", "'IDGenRec' 126 and 'MindRec' 140"), 0.000122, 0.43),
    ],
)
def test_ranges_of_p(
    findings: list[Finding], subject: str, words: tuple[str, ...], low: float, high: float | None
) -> None:
    (finding,) = select(findings, "mcnemar", subject, *words)
    assert finding.values["low"] == pytest.approx(low, rel=0.01)
    assert high is None or finding.values["high"] == pytest.approx(high, abs=0.005)


def test_published_ttr_exceeds_the_bound_over_all_users(findings: list[Finding]) -> None:
    too_large = [f for f in select(findings, "ttr") if f.problem and "bound" in f.values]
    assert len(too_large) == 11
    assert all("0.00505" in f.sentence for f in too_large)
    assert min(f.values["ttr"] for f in too_large) == 0.0086
    (possible,) = [f for f in select(findings, "ttr") if not f.problem]
    assert possible.subject == "Table 3, arts, Inference w/o category"
    (mixed,) = select(findings, "ttr", "Table 3", "can't be compared")
    assert "0.0048 of Inference w/o category fits all users" in mixed.sentence


def test_the_claimed_improvement(findings: list[Finding]) -> None:
    (finding,) = select(findings, "improvement")
    assert [round(part, 1) for part in finding.values["parts"]] == [2.7, 11.1, 14.6]
    assert "232 against 226 users of 'LETTER-LLaDA'" in finding.sentence


def test_table_1_differences(findings: list[Finding]) -> None:
    differing = {
        (f.subject, f.values["metric"], f.values["published"]) for f in select(findings, "statistics") if f.problem
    }
    assert differing == {
        ("Table 1, instruments, Before", "users", 24_771),
        ("Table 1, instruments, Before", "items", 9_921),
        ("Table 1, arts, Before", "users", 45_140),
        ("Table 1, arts, Before", "items", 20_955),
        ("Table 1, games, Before", "users", 204_439),
        ("Table 1, games, Before", "items", 16_858),
    }


def test_the_row_without_categories_is_the_llada_baseline(findings: list[Finding]) -> None:
    (finding,) = select(findings, "same-row", "Table 2", "LETTER-LLaDA")
    assert "'Training w/o category' of Table 3" in finding.sentence


def test_statistics_can_be_counted_by_the_caller() -> None:
    findings = audit_paper(count_statistics=lambda data, users: (1, 2, 3))
    assert all(f.problem for f in findings if f.id == "statistics")


def test_a_claim_that_does_not_hold_is_a_problem() -> None:
    text = """
    title = "t"
    data = ["arts"]
    metrics = ["hr@1"]
    reference = "ours"
    [[rows]]
    label = "ours"
    model = "markov"
    decoder = "rank-items"
    published.arts = ["0.0300"]
    [[rows]]
    label = "theirs"
    model = "pop"
    decoder = "rank-items"
    published.arts = ["0.0200"]
    """
    (finding,) = check_improvement(parse_table_spec(text.replace("    ", ""), "t", "t.toml"))
    assert finding.problem
    assert finding.values["parts"] == pytest.approx((50.0,))
