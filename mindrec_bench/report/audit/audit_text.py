"""Audit findings as text for a terminal (`mrbench audit`) and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from .checks import Finding

CHECK_TITLES = {
    "statistics": "Dataset statistics against the public files",
    "counts": "HR x users is a whole number of users and does not fall with k",
    "growth": "HR@k and NDCG@k do not fall with k",
    "ndcg-of-hr": "NDCG@k lies between HR@k / log2(k + 1) and HR@k",
    "ndcg": "NDCG@k is possible given the hits between the cut-offs",
    "ttr": "TTR is within the codes that there are",
    "entropy": "Entropy is within the logarithm of the codes that there are",
    "same-row": "Rows of different tables that hold the same values",
    "improvement": "The claimed average improvement",
    "mcnemar": "Range of the exact McNemar p over all overlaps of the hits",
}
"""What each kind of finding is about, in the order shown."""

PROBLEMS_ONLY = ("counts", "growth", "ndcg-of-hr", "ndcg", "entropy", "statistics")
"""Checks whose passes are counted but not listed."""


def to_text(findings: Sequence[Finding], *, show_all: bool = False) -> str:
    """A block for each kind of check: how many passed, then one sentence per finding.

    Args:
        findings: of any number of tables or runs.
        show_all: list the passes of `PROBLEMS_ONLY` too.
    """
    blocks = []
    for kind, title in CHECK_TITLES.items():
        of_kind = [finding for finding in findings if finding.id == kind]
        if of_kind:
            problems = sum(finding.problem for finding in of_kind)
            outcome = "" if kind == "mcnemar" else f": {len(of_kind)} checked, {problems} not possible or not equal"
            listed = [f for f in of_kind if f.problem or show_all or kind not in PROBLEMS_ONLY]
            blocks.append("\n".join([f"{title}{outcome}", *_lines(listed)]))
    return "\n\n".join(blocks)


def _lines(findings: Sequence[Finding]) -> list[str]:
    lines = []
    for subject, group in groupby(findings, key=lambda finding: finding.subject):
        lines.append(f"  {subject}")
        lines += [f"    {'! ' if finding.problem else ''}{finding.sentence}" for finding in group]
    return lines


def to_dicts(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings in JSON's types."""
    return [asdict(finding) for finding in findings]
