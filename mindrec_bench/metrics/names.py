"""The names of all metrics, as keys of summaries and columns."""

from __future__ import annotations

import re

from ..errors import UsageError, did_you_mean

KS = (1, 3, 5, 10)
"""The cut-offs k of metrics at k, where a user names none."""

RANK_METRICS = ("hr", "ndcg", "mrr")
"""The accuracy metrics, known at every k up to the length of the lists: they follow from the rank of a user's hit."""

RANKING_METRICS = tuple(f"{name}@{k}" for name in ("hr", "ndcg") for k in KS)
"""The accuracy metrics that tests are about, with a value for every user: hr@1 ... ndcg@10."""

SUMMARY_METRICS = (*RANKING_METRICS, *(f"mrr@{k}" for k in KS))
"""The accuracy metrics that summaries have, as means over users."""

HIT_RATES = tuple(f"hr@{k}" for k in KS)
"""HR at every k."""

SCORE_ROUNDING = 1e-8
"""By how much the scores of a list may rise with the rank and still count as rounding."""

CORPUS_METRICS = (
    "entropy",
    "ttr",
    "ttr_bound",
    "distinct_codes",
    "valid",
    "duplicates",
    "coverage",
    "gini",
    "popularity",
    "novelty",
)
"""The metrics of all lists together; coverage is known at every k too."""

SEARCH_METRICS = tuple(f"{name}@{k}" for name in ("exact", "lost", "lost_share", "certified") for k in KS)
"""The search error of a decoder, where the model's exact answer is known or was asked for, and what a decoder proves; a
value for every user."""

SAME = {"recall": "hr", "hit": "hr", "map": "mrr"}
"""Names of other toolkits, and ours for the same value: a user has one target."""

AT_ANY_K = (*RANK_METRICS, "coverage")


def split_metric(metric: str) -> tuple[str, int]:
    """`hr@10` is ('hr', 10); 0 for a metric without a k."""
    name, _, k = metric.partition("@")
    return name, int(k) if k.isdecimal() else 0


def canonical_metric(text: str, where: str) -> str:
    """The name of a metric of runs, for a name that a user writes: `Recall@20` is `hr@20`.

    Args:
        text: the name.
        where: what messages call the place where it stands.

    Raises:
        UsageError: there is no such metric; names the closest one.
    """
    name, k = split_metric(text.strip().lower())
    name = SAME.get(name, name)
    metric = f"{name}@{k}" if k else name
    if metric in (*CORPUS_METRICS, *SEARCH_METRICS) or (name in AT_ANY_K and k and re.fullmatch(r".+@[1-9]\d*", text)):
        return metric
    raise UsageError(f"unknown metric '{text}' in {where}{_hint(name, k)}; known: {known_metrics()}")


def known_metrics() -> str:
    """All metrics in words."""
    search = ", ".join(dict.fromkeys(f"{name.partition('@')[0]}@k" for name in SEARCH_METRICS))
    cutoffs = ", ".join(map(str, KS))
    at_any_k = ", ".join(f"{name}@k" for name in AT_ANY_K)
    return f"{at_any_k} for any k; {search} for k in {cutoffs}; {', '.join(CORPUS_METRICS)}"


def _hint(name: str, k: int) -> str:
    """The closest metric that exists, at the same k where it can be."""
    searched = tuple(dict.fromkeys(split_metric(metric)[0] for metric in SEARCH_METRICS))
    names = {known: known for known in (*AT_ANY_K, *CORPUS_METRICS, *searched)} | SAME
    if name in names:  # with a k that it has not, or without one
        closest = names[name]
    else:
        match = did_you_mean(name, names)
        if not match:
            return ""
        closest = names[match.split("'")[1]]
    if closest in CORPUS_METRICS and not (k and closest in AT_ANY_K):
        return f" (did you mean '{closest}'?)"
    if closest in searched:
        return f" (did you mean '{closest}@{min(KS, key=lambda known: abs(known - (k or KS[-1])))}'?)"
    return f" (did you mean '{closest}@{k or KS[-1]}'?)"
