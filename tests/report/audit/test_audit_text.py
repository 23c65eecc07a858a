"""Audit findings as text and as JSON."""

from __future__ import annotations

import json

from mindrec_bench.report.audit.audit_text import CHECK_TITLES, to_dicts, to_text
from mindrec_bench.report.audit.checks import Finding
from mindrec_bench.report.audit.published_tables import audit_paper

FINDINGS = [
    Finding("counts", "Table 9, arts, a", "HR@1 0.0280 is whole."),
    Finding("counts", "Table 9, arts, b", "HR@1 0.0281 is not.", problem=True),
    Finding("mcnemar", "Table 9, arts", "p >= 0.5."),
]


def test_problems_are_listed_and_passes_counted() -> None:
    assert to_text(FINDINGS).splitlines() == [
        "HR x users is a whole number of users and does not fall with k: 2 checked, 1 not possible or not equal",
        "  Table 9, arts, b",
        "    ! HR@1 0.0281 is not.",
        "",
        "Range of the exact McNemar p over all overlaps of the hits",
        "  Table 9, arts",
        "    p >= 0.5.",
    ]
    assert "    HR@1 0.0280 is whole." in to_text(FINDINGS, show_all=True).splitlines()


def test_every_kind_of_finding_about_the_paper_is_shown() -> None:
    findings = audit_paper()
    assert {finding.id for finding in findings} == set(CHECK_TITLES)
    text = to_text(findings)
    assert all(title in text for title in CHECK_TITLES.values())
    assert "0.00505" in text
    assert len(json.dumps(to_dicts(findings))) > 1_000
