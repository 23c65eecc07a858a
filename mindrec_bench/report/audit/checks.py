"""What arithmetic alone says about reported numbers: checks of one system's metrics and of pairs of hit counts.

Works on printed values (with their rounding) and on our own (exact ones) alike. Every finding is a sentence that holds
its own calculation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ...metrics.accuracy import KS
from ...stats.paired_tests import ALPHA, PRange, mcnemar_range

EXACT = 1e-9


@dataclass(frozen=True)
class Finding:
    """One checked statement.

    Attributes:
        id: the kind of check: `counts`, `ndcg`, `ttr`, `entropy`, `mcnemar`, ...
        subject: what was checked: `Table 6, arts, BS`.
        sentence: the finding with its calculation.
        values: the numbers in it.
        problem: the numbers can't be what they are said to be.
    """

    id: str
    subject: str
    sentence: str
    values: Mapping[str, Any] = field(default_factory=dict)
    problem: bool = False


@dataclass(frozen=True)
class Reported:
    """The metrics of one system as someone reports them.

    Attributes:
        subject: how findings call it.
        metrics: name -> value; a string is a printed value, right to half of its last digit, a number is exact.
        users: evaluated users.
        beam: results a user, for TTR.
        codes: distinct SID codes of the catalogue; None leaves TTR and entropy unchecked.
        slots: codes an item.
        tokens: recommended codes where known; None takes users x beam x slots.
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
        """How far the true value may be from the reported one."""
        reported = self.metrics[metric]
        if not isinstance(reported, str):
            return EXACT
        return 0.5 * 10.0 ** -len(reported.partition(".")[2]) + EXACT

    def hits(self, metric: str) -> int | None:
        """The whole number of users that an HR stands for; None where there is none, or more than one."""
        if self.error(metric) * self.users >= 0.5:
            return None
        nearest = round(self.value(metric) * self.users)
        return nearest if abs(nearest / self.users - self.value(metric)) <= self.error(metric) else None


def check_system(reported: Reported) -> list[Finding]:
    """All findings about one system's own metrics."""
    return [*_counts(reported), *_ndcg(reported), *_diversity(reported)]


def _counts(reported: Reported) -> list[Finding]:
    """HR is a share of users: HR x users must be a whole number, and must not fall with k."""
    found, before = [], 0
    for metric in (f"hr@{k}" for k in KS if f"hr@{k}" in reported.metrics):
        text, users = reported.metrics[metric], reported.users
        if reported.error(metric) * users >= 0.5:
            continue  # printed too coarsely to tell
        hits = reported.hits(metric)
        product = reported.value(metric) * users
        said = f"{metric.upper()} {text} x {users:,} users = {product:.6g}"
        if hits is None:
            sentence = f"{said} is no whole number of users."
        elif hits < before:
            sentence = f"{said} hits are fewer than the {before} at a smaller k."
        else:
            sentence = f"{said} is a whole number of users."
        problem = hits is None or hits < before
        found.append(Finding("counts", reported.subject, sentence, {"metric": metric, "hits": hits}, problem))
        before = hits if hits is not None else before
    return found


def _ndcg(reported: Reported) -> list[Finding]:
    """NDCG@k given NDCG at the cut-off before and the hits between: each adds 1/log2(rank + 1) of its rank."""
    found = []
    cuts = [k for k in KS if f"hr@{k}" in reported.metrics and (k == 1 or f"ndcg@{k}" in reported.metrics)]
    for j, k in pairwise(cuts):
        near, far = f"ndcg@{j}" if f"ndcg@{j}" in reported.metrics else "hr@1", f"ndcg@{k}"
        hits = [reported.hits(f"hr@{cut}") for cut in (j, k)]
        if None in hits or (j > 1 and near == "hr@1"):
            continue
        between = hits[1] - hits[0]  # type: ignore[operator]
        low, high = (between / math.log2(rank + 1) / reported.users for rank in (k, j + 1))
        gain = reported.value(far) - reported.value(near)
        error = reported.error(far) + (reported.error(near) if near != "hr@1" else EXACT)
        problem = not low - error <= gain <= high + error
        verdict = "is not possible" if problem else "is possible"
        sentence = (
            f"{far.upper()} {reported.metrics[far]} {verdict}: {between} hits at ranks {j + 1} to {k} add {low:.5f} to "
            f"{high:.5f} to {near.upper()} {reported.metrics[near]}, and the difference is {gain:.5f}."
        )
        values = {"metric": far, "low": low, "high": high, "gain": gain, "rounding": error}
        found.append(Finding("ndcg", reported.subject, sentence, values, problem))
    return found


def _diversity(reported: Reported) -> list[Finding]:
    """TTR against the codes there are, entropy against their logarithm."""
    found: list[Finding] = []
    if reported.codes is None:
        return found
    codes, tokens = reported.codes, reported.users * reported.beam * reported.slots
    made_of = f"{reported.users:,} users x {reported.beam} results x {reported.slots} codes = {tokens:,} tokens"
    if reported.tokens is not None and reported.tokens != tokens:
        tokens = reported.tokens
        made_of = f"the {tokens:,} tokens of lists shorter than {reported.beam}"
    if "ttr" in reported.metrics:
        ttr, bound = reported.value("ttr"), min(codes, tokens) / max(tokens, 1)
        problem = ttr - reported.error("ttr") > bound
        said = f"TTR {reported.metrics['ttr']} x {tokens:,} = {ttr * tokens:,.0f} distinct codes"
        if problem:
            sentence = (
                f"{said}, but there are only {codes:,}: over {made_of} TTR can't exceed {bound:.5f}; "
                f"half of the tokens would give {ttr * tokens / 2:,.0f} codes."
            )
        else:
            sentence = f"{said} is within the {codes:,} that there are: over {made_of} TTR can't exceed {bound:.5f}."
        values = {"ttr": ttr, "bound": bound, "codes": codes, "tokens": tokens}
        found.append(Finding("ttr", reported.subject, sentence, values, problem))
    if "entropy" in reported.metrics:
        entropy, bound = reported.value("entropy"), math.log2(codes)
        problem = entropy - reported.error("entropy") > bound
        verdict = "exceeds" if problem else "is within"
        sentence = f"Entropy {reported.metrics['entropy']} {verdict} log2({codes:,} codes) = {bound:.3f} bits."
        found.append(Finding("entropy", reported.subject, sentence, {"entropy": entropy, "bound": bound}, problem))
    return found


def check_pair(subject: str, names: tuple[str, str], systems: tuple[Reported, Reported]) -> list[Finding]:
    """The range of exact McNemar p of two systems on the same users, for each HR that both report.

    Args:
        subject: where the two stand together.
        names: what they are called.
        systems: their metrics.
    """
    found = []
    a, b = systems
    for metric in (f"hr@{k}" for k in KS if f"hr@{k}" in a.metrics and f"hr@{k}" in b.metrics):
        hits_a, hits_b = a.hits(metric), b.hits(metric)
        if hits_a is None or hits_b is None:
            continue
        p = mcnemar_range(hits_a, hits_b, a.users)
        sentence = (
            f"{metric.upper()}, '{names[0]}' {hits_a} and '{names[1]}' {hits_b} of {a.users:,} users: exact McNemar "
            f"{range_text(p)}, {_verdict(p)}."
        )
        values = {"metric": metric, "rows": names, "hits": (hits_a, hits_b), "low": p.low, "high": p.high}
        found.append(Finding("mcnemar", subject, sentence, values))
    return found


def range_text(p: PRange) -> str:
    """`p between 0.00012 and 0.43`, or `p >= 0.5 whatever the overlap` where no overlap makes it significant."""
    if math.isclose(p.low, p.high):
        return f"p = {p.low:.2g} whatever the overlap"
    if p.low > ALPHA:
        return f"p >= {p.low:.2g} whatever the overlap (at most {p.high:.2g})"
    return f"p between {p.low:.2g} and {p.high:.2g} by the overlap"


def _verdict(p: PRange) -> str:
    if p.low > ALPHA:
        return "not significant"
    return "significant" if p.high <= ALPHA else "which the published values leave open"


def check_run(summary: Mapping[str, Any]) -> list[Finding]:
    """The checks of `check_system` on a stored run of ours.

    Args:
        summary: as in `summary.json`: metrics, users, beam, slots.
    """
    metrics = summary["metrics"]
    return check_system(
        Reported(
            subject=f"run {summary['run']}",
            metrics=metrics,
            users=summary["eval_users"] or summary["users"],
            beam=summary["beam"],
            codes=summary["slots"]["sid_codes"],
            slots=summary["slots"]["sid"],
            tokens=round(metrics["distinct_codes"] / metrics["ttr"]) if metrics["ttr"] else None,
        )
    )
