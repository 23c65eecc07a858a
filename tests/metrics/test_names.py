"""The names of metrics, as people write them."""

from __future__ import annotations

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.metrics.names import canonical_metric


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("hr@10", "hr@10"),
        ("recall@20", "hr@20"),
        ("HR@7", "hr@7"),
        ("hit@5", "hr@5"),
        ("MAP@5", "mrr@5"),
        ("coverage@3", "coverage@3"),
        ("coverage", "coverage"),
        ("lost@5", "lost@5"),
        ("Gini", "gini"),
    ],
)
def test_names_of_other_toolkits_are_ours(text, metric):
    assert canonical_metric(text, "table.toml") == metric


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("recal@5", "hr@5"),
        ("ndgc@20", "ndcg@20"),
        ("hr", "hr@10"),
        ("hr@0", "hr@10"),
        ("exact@4", "exact@3"),
        ("noveltyy", "novelty"),
        ("gini@5", "gini"),
        ("coverag@5", "coverage@5"),
    ],
)
def test_unknown_names_get_the_closest_that_exists(text, hint):
    with pytest.raises(UsageError) as error:
        canonical_metric(text, "table.toml")
    assert f"unknown metric '{text}' in table.toml (did you mean '{hint}'?); known: hr@k, ndcg@k," in str(error.value)
    assert canonical_metric(hint, "") == hint


def test_a_name_that_resembles_nothing_gets_no_hint():
    with pytest.raises(UsageError, match=r"unknown metric 'xyz' in --sort; known"):
        canonical_metric("xyz", "--sort")
