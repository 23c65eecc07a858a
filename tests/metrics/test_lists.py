"""Metrics of lists against plain Python, and what sharding, padding and shared SIDs must not change."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import pytest

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.metrics.lists import ITEM_PREFIX, Catalogue, CorpusCounts, coverage_at, gini, score_lists, summarise
from mindrec_bench.metrics.names import CORPUS_METRICS, HIT_RATES, KS, RANKING_METRICS, SUMMARY_METRICS

BEAM, SLOTS = 7, 3


def make_lists(seed, n_categories, users=200, items=60):
    """A catalogue with shared SIDs, and lists with real items, SIDs of no item, duplicates and padding."""
    rng = np.random.default_rng(seed)
    sids = rng.integers(0, 4, (items, SLOTS)) * 5 + 2
    categories = rng.integers(0, 3, (items, n_categories)) if n_categories else None
    catalogue = Catalogue(CodeSpace.build(sids, categories), rng.integers(0, 9, items))
    lists = rng.integers(0, 4, (users, BEAM, SLOTS))
    item_lists = catalogue.space.item_sids[rng.integers(0, items, (users, BEAM))]
    lists = np.where(rng.random((users, BEAM, 1)) < 0.5, item_lists, lists)
    lengths = rng.integers(0, BEAM + 1, users)
    lists[np.arange(BEAM) >= lengths[:, None]] = -1
    return catalogue, lists, rng.integers(0, items, users)


def plain_metrics(catalogue, lists, targets):
    """Every metric, one recommendation at a time: those of each user, and those of all lists."""
    item_sids = [tuple(sid) for sid in catalogue.space.item_sids.tolist()]
    popularity: dict[tuple, int] = {}
    for sid, count in zip(item_sids, catalogue.train_counts.tolist(), strict=True):
        popularity[sid] = popularity.get(sid, 0) + count
    rows, codes, valid = [], {}, []
    for results, target in zip(lists.tolist(), targets.tolist(), strict=True):
        results = [tuple(sid) for sid in results if min(sid) >= 0]
        rank = results.index(item_sids[target]) + 1 if item_sids[target] in results else 0
        row = {"hit_rank": rank, "results": len(results), "valid": 0, "duplicates": len(results) - len(set(results))}
        for k in KS:
            row[f"hr@{k}"] = 1.0 if 1 <= rank <= k else 0.0
            row[f"ndcg@{k}"] = 1 / math.log2(rank + 1) if 1 <= rank <= k else 0.0
        for sid in results:
            for slot, code in enumerate(sid):
                codes[slot, code] = codes.get((slot, code), 0) + 1
            if sid in popularity:
                row["valid"] += 1
                valid.append(sid)
        rows.append(row)
    tokens, results = sum(codes.values()), sum(row["results"] for row in rows)
    n_codes = sum(catalogue.space.sid_sizes)
    often = [valid.count(sid) for sid in popularity]
    all_counts = sum(popularity.values()) + len(popularity)
    corpus = {
        "entropy": -sum(n / tokens * math.log2(n / tokens) for n in codes.values()),
        "ttr": len(codes) / tokens,
        "ttr_bound": min(n_codes, tokens) / tokens,
        "distinct_codes": len(codes),
        "valid": len(valid) / results,
        "duplicates": sum(row["duplicates"] for row in rows) / results,
        "coverage": len(set(valid)) / len(set(item_sids)),
        "popularity": sum(popularity[sid] for sid in valid) / len(valid),
        "gini": sum(abs(a - b) for a in often for b in often) / (2 * len(often) * sum(often)),
        "novelty": -sum(math.log2((popularity[sid] + 1) / all_counts) for sid in valid) / len(valid),
    }
    return rows, corpus


@pytest.mark.parametrize("n_categories", [0, 2])
@pytest.mark.parametrize("seed", range(5))
def test_all_metrics_equal_a_plain_count(seed, n_categories):
    catalogue, lists, targets = make_lists(seed, n_categories)
    columns, corpus = score_lists(lists, targets, catalogue)
    rows, expected = plain_metrics(catalogue, lists, targets)
    assert sum(row["hit_rank"] > 0 for row in rows) > 3, "the example should have hits"
    for name, column in columns.items():
        if name.startswith(ITEM_PREFIX):  # see the tests of `item_hit_rates`
            continue
        np.testing.assert_allclose(column, [row[name] for row in rows], err_msg=name)
    summary = summarise(columns, corpus, catalogue)
    assert list(summary) == [*SUMMARY_METRICS, *CORPUS_METRICS]
    for name in RANKING_METRICS:
        assert summary[name] == pytest.approx(sum(row[name] for row in rows) / len(rows)), name
    for name in CORPUS_METRICS:
        assert summary[name] == pytest.approx(expected[name]), name


def test_keys_and_types_of_the_columns():
    catalogue, lists, targets = make_lists(0, 0)
    columns, _ = score_lists(lists, targets, catalogue)
    integers = ("hit_rank", "results", "valid", "duplicates")
    by_item = [f"{ITEM_PREFIX}{name}" for name in HIT_RATES]
    assert list(columns) == ["hit_rank", *RANKING_METRICS, "results", "valid", "duplicates", *by_item]
    unlike = Catalogue(CodeSpace.build(np.arange(12)[:, None].repeat(SLOTS, axis=1), None), np.ones(12))
    assert not {*by_item} & {*score_lists(lists, targets % 12, unlike)[0]}, "no items share an ID"
    assert list(RANKING_METRICS) == ["hr@1", "hr@3", "hr@5", "hr@10", "ndcg@1", "ndcg@3", "ndcg@5", "ndcg@10"]
    assert {str(columns[name].dtype) for name in integers} == {"int32"}
    assert {str(columns[name].dtype) for name in RANKING_METRICS} == {"float64"}


@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 30], list(range(1, 200))], ids=len)
def test_sharding_does_not_change_the_aggregates(cuts):
    catalogue, lists, targets = make_lists(3, 2)
    columns, corpus = score_lists(lists, targets, catalogue)
    shards = [
        score_lists(shard_lists, shard_targets, catalogue)
        for shard_lists, shard_targets in zip(np.split(lists, cuts), np.split(targets, cuts), strict=True)
    ]
    joined = {name: np.concatenate([shard[name] for shard, _ in shards]) for name in columns}
    corpus_of_shards = reduce(CorpusCounts.add, [counts for _, counts in reversed(shards)])
    assert summarise(joined, corpus_of_shards, catalogue) == summarise(columns, corpus, catalogue)  # to the last bit


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
    catalogue, lists, targets = make_lists(1, 0)
    columns, corpus = score_lists(np.full_like(lists, -1), targets, catalogue)
    assert set(summarise(columns, corpus, catalogue).values()) == {0}


def test_coverage_at_k_counts_the_first_k_of_everyone():
    catalogue, lists, targets = make_lists(1, 0)
    _, corpus = score_lists(lists, targets, catalogue)
    coverage = coverage_at(corpus, BEAM)
    for k, share in enumerate(coverage, start=1):
        _, first = score_lists(lists[:, :k], targets, catalogue)
        assert share == (first.recommended > 0).mean()
    halves = [score_lists(lists[rows], targets[rows], catalogue)[1] for rows in (slice(0, 9), slice(9, None))]
    assert coverage_at(halves[0].add(halves[1]), BEAM) == coverage


def test_gini_of_even_and_uneven_counts():
    assert gini(np.array([3, 3, 3, 3])) == 0
    assert gini(np.array([0, 0, 0, 8])) == 0.75
    assert gini(np.zeros(4, dtype=np.int64)) == 0
