"""Ranked lists as tables, and back."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.store.rankings import SCHEMA, padded_codes, rankings_table


@pytest.fixture
def lists():
    """Users, codes, scores and lengths of three users, one without results."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 300, (3, 4, 5))
    lengths = np.array([4, 0, 2])
    codes[np.arange(4) >= lengths[:, None]] = -1
    return np.array([7, 3, 50]), codes, -np.sort(rng.random((3, 4))), lengths


@pytest.fixture
def table(lists):
    return rankings_table(*lists)


def test_one_row_per_recommendation(lists, table):
    users, codes, scores, _ = lists
    assert table.schema == SCHEMA
    assert table["user"].to_pylist() == [7] * 4 + [50] * 2
    assert table["rank"].to_pylist() == [1, 2, 3, 4, 1, 2]
    assert table["codes"].to_pylist() == [*codes[0].tolist(), *codes[2, :2].tolist()]
    assert table["score"].to_pylist() == [*scores[0], *scores[2, :2]]
    assert table["item"].to_pylist() == [None] * 6
    assert (padded_codes(table, users, 4, 5) == codes).all()


def test_padded_codes_of_some_users(lists, table):
    _, codes, _, _ = lists
    padded = padded_codes(table, np.array([50, 1, 7, 3]), 4, 5)
    assert (padded == np.stack([codes[2], np.full((4, 5), -1), codes[0], codes[1]])).all()


def test_table_without_results(lists):
    users, codes, scores, _ = lists
    empty = rankings_table(users, codes, scores, np.zeros(3, dtype=np.int64))
    assert empty.num_rows == 0
    assert empty.schema == SCHEMA
    assert (padded_codes(empty, users, 4, 5) == -1).all()


def test_item_ids_where_they_are_known(lists):
    items = np.array([["i1", "i2", "i3", "i4"]] * 3)
    assert rankings_table(*lists, items)["item"].to_pylist() == ["i1", "i2", "i3", "i4", "i1", "i2"]
