"""Metrics against slow plain Python, and the properties that sharding, padding and colliding SIDs must not break."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import pytest

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.metrics.accuracy import KS, RANKING_METRICS, hit_ranks, per_user
from mindrec_bench.metrics.diversity import CodeCounts
from mindrec_bench.metrics.lists import CORPUS_METRICS, Catalogue, Corpus, score_lists, summarise

BEAM, SLOTS = 7, 3


def make(seed, n_categories, users=200, items=60):
    """A catalogue with shared SIDs, and lists in which real items, other SIDs, repeats and padding occur."""
    rng = np.random.default_rng(seed)
    sids = rng.integers(0, 4, (items, SLOTS)) * 5 + 2
    categories = rng.integers(0, 3, (items, n_categories)) if n_categories else None
    catalogue = Catalogue(CodeSpace.build(sids, categories), rng.integers(0, 9, items))
    lists = rng.integers(0, 4, (users, BEAM, SLOTS))
    known = catalogue.space.item_sids[rng.integers(0, items, (users, BEAM))]
    lists = np.where(rng.random((users, BEAM, 1)) < 0.5, known, lists)
    lengths = rng.integers(0, BEAM + 1, users)
    lists[np.arange(BEAM) >= lengths[:, None]] = -1
    return catalogue, lists, rng.integers(0, items, users)


def slow(catalogue, lists, targets):
    """Every metric, one recommendation after the other."""
    item_sids = [tuple(sid) for sid in catalogue.space.item_sids.tolist()]
    popularity: dict[tuple, int] = {}
    for sid, count in zip(item_sids, catalogue.train_counts.tolist(), strict=True):
        popularity[sid] = popularity.get(sid, 0) + count
    rows, codes, real = [], {}, []
    for results, target in zip(lists.tolist(), targets.tolist(), strict=True):
        results = [tuple(sid) for sid in results if min(sid) >= 0]
        rank = results.index(item_sids[target]) + 1 if item_sids[target] in results else 0
        row = {"hit_rank": rank, "results": len(results), "valid": 0, "duplicates": len(results) - len(set(results))}
        for k in KS:
            row[f"hr@{k}"] = 1.0 if 1 <= rank <= k else 0.0
            row[f"ndcg@{k}"] = 1 / math.log2(rank + 1) if 1 <= rank <= k else 0.0
        for sid in results:
            for level, code in enumerate(sid):
                codes[level, code] = codes.get((level, code), 0) + 1
            if sid in popularity:
                row["valid"] += 1
                real.append(sid)
        rows.append(row)
    tokens, results = sum(codes.values()), sum(row["results"] for row in rows)
    possible = sum(catalogue.space.sizes[catalogue.space.n_categories :])
    corpus = {
        "entropy": -sum(n / tokens * math.log2(n / tokens) for n in codes.values()),
        "ttr": len(codes) / tokens,
        "ttr_bound": min(possible, tokens) / tokens,
        "distinct_codes": len(codes),
        "valid": len(real) / results,
        "duplicates": sum(row["duplicates"] for row in rows) / results,
        "coverage": len(set(real)) / len(set(item_sids)),
        "popularity": sum(popularity[sid] for sid in real) / len(real),
    }
    return rows, corpus


@pytest.mark.parametrize("n_categories", [0, 2])
@pytest.mark.parametrize("seed", range(5))
def test_all_metrics_equal_a_slow_count(seed, n_categories):
    catalogue, lists, targets = make(seed, n_categories)
    columns, corpus = score_lists(lists, targets, catalogue)
    rows, expected = slow(catalogue, lists, targets)
    assert sum(row["hit_rank"] > 0 for row in rows) > 3, "the example must hold hits"
    for name, column in columns.items():
        np.testing.assert_allclose(column, [row[name] for row in rows], err_msg=name)
    summary = summarise(columns, corpus, catalogue)
    assert list(summary) == [*RANKING_METRICS, *CORPUS_METRICS]
    for name in RANKING_METRICS:
        assert summary[name] == pytest.approx(sum(row[name] for row in rows) / len(rows)), name
    for name in CORPUS_METRICS:
        assert summary[name] == pytest.approx(expected[name]), name


def test_keys_and_types_of_the_columns():
    catalogue, lists, targets = make(0, 0)
    columns, _ = score_lists(lists, targets, catalogue)
    whole = ("hit_rank", "results", "valid", "duplicates")
    assert list(columns) == ["hit_rank", *RANKING_METRICS, "results", "valid", "duplicates"]
    assert list(RANKING_METRICS) == ["hr@1", "hr@3", "hr@5", "hr@10", "ndcg@1", "ndcg@3", "ndcg@5", "ndcg@10"]
    assert {str(columns[name].dtype) for name in whole} == {"int32"}
    assert {str(columns[name].dtype) for name in RANKING_METRICS} == {"float64"}


@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 30], list(range(1, 200))], ids=len)
def test_sharding_does_not_change_the_aggregates(cuts):
    catalogue, lists, targets = make(3, 2)
    columns, corpus = score_lists(lists, targets, catalogue)
    parts = [
        score_lists(some, wanted, catalogue)
        for some, wanted in zip(np.split(lists, cuts), np.split(targets, cuts), strict=True)
    ]
    joined = {name: np.concatenate([part[name] for part, _ in parts]) for name in columns}
    backwards = reduce(Corpus.add, [counts for _, counts in reversed(parts)])
    assert summarise(joined, backwards, catalogue) == summarise(columns, corpus, catalogue)  # to the last bit


@pytest.mark.parametrize(("rank", "gain"), [(1, 1.0), (2, 0.6309297535714575), (3, 0.5), (7, 1 / 3)])
def test_gain_of_a_hit_by_rank(rank, gain):
    values = per_user(np.array([rank], dtype=np.int32))
    for k in KS:
        assert values[f"hr@{k}"][0] == (rank <= k)
        assert values[f"ndcg@{k}"][0] == pytest.approx(gain if rank <= k else 0)


def test_first_hit_counts_and_padding_never_hits():
    keys = np.array([[5, 3, 3], [3, 5, -1], [-1, -1, -1], [4, -1, -1]])
    assert hit_ranks(keys, np.array([3, 9, -1, -1])).tolist() == [2, 0, 0, 0]


def test_lists_of_no_places_hit_nothing():
    assert hit_ranks(np.zeros((2, 0), dtype=np.int64), np.array([1, 2])).tolist() == [0, 0]


def test_an_item_with_the_same_sid_as_the_target_is_a_hit():
    space = CodeSpace.build(np.array([[1, 1], [2, 2], [1, 1]]), np.array([[0], [0], [7]]))
    lists = space.item_sids[[[1, 0]]]
    columns, _ = score_lists(lists, np.array([2]), Catalogue(space, np.array([4, 1, 3])))
    assert columns["hit_rank"].tolist() == [2]


def test_popularity_of_a_shared_sid_is_the_sum_of_its_items():
    space = CodeSpace.build(np.array([[1, 1], [2, 2], [1, 1]]))
    catalogue = Catalogue(space, np.array([4, 1, 3]))
    columns, corpus = score_lists(space.item_sids[[[0, 1]]], np.array([0]), catalogue)
    assert summarise(columns, corpus, catalogue)["popularity"] == (7 + 1) / 2


def test_nothing_recommended_gives_zeros():
    catalogue, lists, targets = make(1, 0)
    columns, corpus = score_lists(np.full_like(lists, -1), targets, catalogue)
    assert set(summarise(columns, corpus, catalogue).values()) == {0}


def test_a_code_is_level_and_index():
    counts = CodeCounts.of(np.array([[0, 0], [0, 1], [-1, -1]]), (2, 2))
    assert counts.counts.tolist() == [2, 0, 1, 1]
    assert (counts.tokens, counts.distinct) == (4, 3)
    assert counts.entropy == pytest.approx(1.5)
    assert (counts.ttr, counts.ttr_bound) == (0.75, 1.0)


def test_one_code_alone_has_no_entropy():
    entropy = CodeCounts.of(np.array([[0], [0]]), (3,)).entropy
    assert entropy == 0
    assert math.copysign(1, entropy) == 1


def test_bound_of_arts_is_its_codes_over_its_tokens():
    # semantics section 5: 1,010 codes and 5,000 users x 10 x 4 tokens
    counts = CodeCounts(np.full(1010, 200_000 // 1010))
    assert counts.ttr_bound == pytest.approx(0.00505, abs=2e-5)
