"""The names of all metrics, as keys of summaries and columns."""

from __future__ import annotations

KS = (1, 3, 5, 10)
"""The cut-offs k of metrics at k."""

RANKING_METRICS = tuple(f"{name}@{k}" for name in ("hr", "ndcg") for k in KS)
"""The accuracy metrics, which have a value for every user: hr@1 ... ndcg@10."""

CORPUS_METRICS = ("entropy", "ttr", "ttr_bound", "distinct_codes", "valid", "duplicates", "coverage", "popularity")
"""The metrics of all lists together."""

SEARCH_METRICS = tuple(f"{name}@{k}" for name in ("exact", "lost", "lost_share") for k in KS)
"""The search error of a decoder, where the model's exact answer is known or was asked for; a value for every user."""
