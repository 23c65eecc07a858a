"""What arithmetic alone says about reported numbers: checks of one system's metrics, and of pairs of hit counts.

The checks work on printed values, within their rounding, and on exact values of our own runs. Every finding is a
sentence that shows its calculation.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ...stats.paired_tests import ALPHA, PValueRange, mcnemar_range
from ...store.runs import DamagedRunError, Run

logger = logging.getLogger(__name__)

TOLERANCE = 1e-9
"""How far an exact value may be off."""


@dataclass(frozen=True)
class Finding:
    """One checked statement.

    Attributes:
        id: the kind of check: `counts`, `ndcg`, `ttr`, `entropy`, `mcnemar`, ...
        subject: what was checked: `Table 6, arts, BS`.
        sentence: the finding with its calculation.
        values: the numbers in it.
        problem: the reported numbers contradict arithmetic, the public data, or each other.
    """

    id: str
    subject: str
    sentence: str
    values: Mapping[str, Any] = field(default_factory=dict)
    problem: bool = False


@dataclass(frozen=True)
class ReportedMetrics:
    """The metrics of one system as they were reported.

    Attributes:
        subject: how findings name the system.
        metrics: name -> value; a string is a printed value, rounded to its last digit, and a number is exact.
        users: number of evaluated users; 0 where it is not known.
        beam: results per user, for TTR.
        codes: distinct SID codes of the catalogue; None leaves TTR and entropy unchecked.
        slots: codes per item.
        tokens: number of recommended codes, where it is known; None takes users x beam x slots.
    """

    subject: str
    metrics: Mapping[str, str | float]
    users: int
    beam: int = 10
    codes: int | None = None
    slots: int = 4
    tokens: int | None = None

    def value(self, metric: str) -> float:
        """The reported value."""
        return float(self.metrics[metric])

    def error(self, metric: str) -> float:
        """The largest possible difference between the true value and the reported one."""
        reported = self.metrics[metric]
        if not isinstance(reported, str):
            return TOLERANCE
        return 0.5 * 10.0 ** -len(reported.partition(".")[2]) + TOLERANCE

    def hits(self, metric: str) -> int | None:
        """The number of users that an HR stands for; None where no whole number fits, or more than one."""
        if not self.users or self.error(metric) * self.users >= 0.5:
            return None
        nearest = round(self.value(metric) * self.users)
        return nearest if abs(nearest / self.users - self.value(metric)) <= self.error(metric) else None

    def cutoffs(self, name: str) -> list[int]:
        """The k for which `hr` or `ndcg` is reported, in rising order."""
        return sorted(int(metric.partition("@")[2]) for metric in self.metrics if metric.startswith(f"{name}@"))


def check_system(reported: ReportedMetrics) -> list[Finding]:
    """All findings about the metrics of one system."""
    return [
        *_check_hit_counts(reported),
        *_check_growth(reported),
        *_check_ndcg_of_hr(reported),
        *_check_ndcg(reported),
        *_check_diversity(reported),
    ]


def _check_hit_counts(reported: ReportedMetrics) -> list[Finding]:
    """HR is a share of users: HR x users must be a whole number, and must not fall with k."""
    findings, previous_hits = [], 0
    for metric in (f"hr@{k}" for k in reported.cutoffs("hr")):
        text, users = reported.metrics[metric], reported.users
        if not users or reported.error(metric) * users >= 0.5:
            continue  # printed with too few digits to tell
        hits = reported.hits(metric)
        product = reported.value(metric) * users
        calculation = f"{metric.upper()} {text} x {users:,} users = {product:.6g}"
        if hits is None:
            sentence = f"{calculation} is no whole number of users."
        elif hits < previous_hits:
            sentence = f"{calculation} hits are fewer than the {previous_hits} at a smaller k."
        else:
            sentence = f"{calculation} is a whole number of users."
        problem = hits is None or hits < previous_hits
        findings.append(Finding("counts", reported.subject, sentence, {"metric": metric, "hits": hits}, problem))
        previous_hits = hits if hits is not None else previous_hits
    return findings


def _check_growth(reported: ReportedMetrics) -> list[Finding]:
    """HR@k and NDCG@k can't fall with k; where HR counts whole users, `counts` says so for HR."""
    findings = []
    for name in ("hr", "ndcg"):
        for near, far in pairwise(f"{name}@{k}" for k in reported.cutoffs(name)):
            if name == "hr" and reported.hits(far) is not None:
                continue
            fall = reported.value(near) - reported.value(far)
            problem = fall > reported.error(near) + reported.error(far)
            verdict = "is below" if problem else "is not below"
            reason = ", but a longer list keeps every hit" if problem else ""
            sentence = (
                f"{far.upper()} {reported.metrics[far]} {verdict} {near.upper()} {reported.metrics[near]}{reason}."
            )
            findings.append(Finding("growth", reported.subject, sentence, {"metric": far, "fall": fall}, problem))
    return findings


def _check_ndcg_of_hr(reported: ReportedMetrics) -> list[Finding]:
    """With one relevant item a hit adds 1 / log2(rank + 1): NDCG@k lies between HR@k / log2(k + 1) and HR@k."""
    findings = []
    for k in reported.cutoffs("ndcg"):
        if f"hr@{k}" not in reported.metrics:
            continue
        ndcg, hr = reported.value(f"ndcg@{k}"), reported.value(f"hr@{k}")
        error, low = reported.error(f"ndcg@{k}") + reported.error(f"hr@{k}"), hr / math.log2(k + 1)
        problem = not low - error <= ndcg <= hr + error
        verdict = "is not possible" if problem else "is possible"
        sentence = (
            f"NDCG@{k} {reported.metrics[f'ndcg@{k}']} {verdict} beside HR@{k} {reported.metrics[f'hr@{k}']}: one "
            f"relevant item gives {low:.5f} (all hits at rank {k}) to {hr:.5f} (all at rank 1)."
        )
        values = {"metric": f"ndcg@{k}", "low": low, "high": hr}
        findings.append(Finding("ndcg-of-hr", reported.subject, sentence, values, problem))
    return findings


def _check_ndcg(reported: ReportedMetrics) -> list[Finding]:
    """NDCG@k, given NDCG at the previous cut-off and the hits between: each adds 1 / log2(rank + 1)."""
    findings = []
    cutoffs = [k for k in reported.cutoffs("hr") if k == 1 or f"ndcg@{k}" in reported.metrics]
    for j, k in pairwise(cutoffs):
        near, far = f"ndcg@{j}" if f"ndcg@{j}" in reported.metrics else "hr@1", f"ndcg@{k}"
        near_hits, far_hits = reported.hits(f"hr@{j}"), reported.hits(f"hr@{k}")
        if near_hits is None or far_hits is None or (j > 1 and near == "hr@1"):
            continue
        between = far_hits - near_hits
        low, high = (between / math.log2(rank + 1) / reported.users for rank in (k, j + 1))
        gain = reported.value(far) - reported.value(near)
        error = reported.error(far) + (reported.error(near) if near != "hr@1" else TOLERANCE)
        problem = not low - error <= gain <= high + error
        verdict = "is not possible" if problem else "is possible"
        sentence = (
            f"{far.upper()} {reported.metrics[far]} {verdict}: {between} hits at ranks {j + 1} to {k} add {low:.5f} to "
            f"{high:.5f} to {near.upper()} {reported.metrics[near]}, and the difference is {gain:.5f}."
        )
        values = {"metric": far, "low": low, "high": high, "gain": gain, "rounding": error}
        findings.append(Finding("ndcg", reported.subject, sentence, values, problem))
    return findings


def _check_diversity(reported: ReportedMetrics) -> list[Finding]:
    """TTR against the number of codes that exist, entropy against its logarithm."""
    findings: list[Finding] = []
    if reported.codes is None:
        return findings
    if "ttr" in reported.metrics:
        findings.append(_check_ttr(reported, reported.codes))
    if "entropy" in reported.metrics:
        entropy, bound = reported.value("entropy"), math.log2(reported.codes)
        problem = entropy - reported.error("entropy") > bound
        verdict = "exceeds" if problem else "is within"
        sentence = f"Entropy {reported.metrics['entropy']} {verdict} log2({reported.codes:,} codes) = {bound:.3f} bits."
        findings.append(Finding("entropy", reported.subject, sentence, {"entropy": entropy, "bound": bound}, problem))
    return findings


def _check_ttr(reported: ReportedMetrics, codes: int) -> Finding:
    tokens = reported.users * reported.beam * reported.slots
    counted = f"{reported.users:,} users x {reported.beam} results x {reported.slots} codes = {tokens:,} tokens"
    if reported.tokens is not None and reported.tokens != tokens:
        tokens = reported.tokens
        counted = f"the {tokens:,} tokens of lists shorter than {reported.beam}"
    ttr, bound = reported.value("ttr"), min(codes, tokens) / max(tokens, 1)
    problem = ttr - reported.error("ttr") > bound
    calculation = f"TTR {reported.metrics['ttr']} x {tokens:,} = {ttr * tokens:,.0f} distinct codes"
    if problem:
        sentence = (
            f"{calculation}, but there are only {codes:,}: over {counted} TTR can't exceed {bound:.5f}; "
            f"half of the tokens would give {ttr * tokens / 2:,.0f} codes."
        )
    else:
        sentence = f"{calculation} is within the {codes:,} that there are: over {counted} TTR can't exceed {bound:.5f}."
    values = {"ttr": ttr, "bound": bound, "codes": codes, "tokens": tokens}
    return Finding("ttr", reported.subject, sentence, values, problem)


def check_pair(
    subject: str, labels: tuple[str, str], systems: tuple[ReportedMetrics, ReportedMetrics]
) -> list[Finding]:
    """The range of exact McNemar p of two systems on the same users, for each HR that both report.

    Args:
        subject: where both are reported.
        labels: how the sentences name them.
        systems: their metrics.
    """
    findings = []
    a, b = systems
    for metric in (f"hr@{k}" for k in a.cutoffs("hr") if f"hr@{k}" in b.metrics):
        hits_a, hits_b = a.hits(metric), b.hits(metric)
        if hits_a is None or hits_b is None:
            continue
        p = mcnemar_range(hits_a, hits_b, a.users)
        sentence = (
            f"{metric.upper()}, '{labels[0]}' {hits_a} and '{labels[1]}' {hits_b} of {a.users:,} users: exact McNemar "
            f"{p_range_text(p)}, {_verdict(p)}."
        )
        values = {"metric": metric, "rows": labels, "hits": (hits_a, hits_b), "low": p.low, "high": p.high}
        findings.append(Finding("mcnemar", subject, sentence, values))
    return findings


def p_range_text(p: PValueRange) -> str:
    """`p between 0.00012 and 0.43`, or `p >= 0.5 whatever the overlap` where no overlap makes it significant."""
    if math.isclose(p.low, p.high):
        return f"p = {p.low:.2g} whatever the overlap"
    if p.low > ALPHA:
        return f"p >= {p.low:.2g} whatever the overlap (at most {p.high:.2g})"
    return f"p between {p.low:.2g} and {p.high:.2g} by the overlap"


def _verdict(p: PValueRange) -> str:
    if p.low > ALPHA:
        return "not significant"
    return "significant" if p.high <= ALPHA else "which the published values leave open"


def audit_runs(runs: Iterable[Run]) -> list[Finding]:
    """The checks of `check_system` on stored runs; damaged ones are left out with a notice."""
    findings = []
    for run in runs:
        try:
            run.check_files()
        except DamagedRunError as error:
            logger.warning(f"left out: {error}")
        else:
            findings += check_run(run)
    return findings


def check_run(run: Run) -> list[Finding]:
    """The checks of `check_system` on one stored run."""
    metrics, slots = run.summary.metrics, run.summary.slots
    return check_system(
        ReportedMetrics(
            subject=f"run {run.id}",
            metrics=metrics,
            users=run.spec.evaluated_users,
            beam=run.spec.beam,
            codes=slots.sid_codes,
            slots=slots.sid,
            tokens=round(metrics["distinct_codes"] / metrics["ttr"]) if metrics["ttr"] else None,
        )
    )
