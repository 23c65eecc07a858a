"""How metrics are shown: their names, which direction is better, and how many digits they get."""

from __future__ import annotations

from typing import Literal

from ..metrics.names import SEARCH_METRICS
from .table_spec import STATISTICS

LOWER_IS_BETTER = ("duplicates", "gini", *(metric for metric in SEARCH_METRICS if metric.startswith("lost")))
UNDIRECTED = ("popularity", "novelty", "ttr_bound", *STATISTICS)
"""Metrics of which neither more nor less is better. Of all metrics in neither list, more is better."""

_NAMES = {"entropy": "Entropy", "ttr": "TTR", "ttr_bound": "TTR bound", "valid": "real items", "gini": "Gini"}
_DIGITS = {
    "entropy": 3, "ttr": 5, "ttr_bound": 5, "distinct_codes": 0, "valid": 3, "duplicates": 3, "coverage": 3,
    "gini": 3, "popularity": 1, "novelty": 2, **dict.fromkeys(STATISTICS, 0),
}  # fmt: skip
_DEFAULT_DIGITS = 4


def metric_name(metric: str) -> str:
    """The name of a metric in a column head, without its arrow."""
    return _NAMES.get(metric, metric.upper() if "@" in metric else metric.replace("_", " "))


def metric_direction(metric: str) -> Literal["up", "down", ""]:
    """Which direction is better; '' where neither is."""
    return "" if metric in UNDIRECTED else "down" if metric in LOWER_IS_BETTER else "up"


def metric_arrow(metric: str) -> str:
    """The direction as one character."""
    return {"up": "↑", "down": "↓", "": ""}[metric_direction(metric)]


def count_users(count: int) -> str:
    """`1 user`, `5,000 users`."""
    return f"{count:,} user{'' if count == 1 else 's'}"


def format_value(value: float, metric: str) -> str:
    """A value with the digits of its metric; counts get thousands separators."""
    return f"{value:,.{_DIGITS.get(metric, _DEFAULT_DIGITS)}f}"
