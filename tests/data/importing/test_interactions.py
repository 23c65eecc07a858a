"""Filters, order and numbers of interactions, against simple loops."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mindrec_bench.data.importing.interactions import Filters, InteractionLog, build_sequences, core_filter

Row = tuple[str, str, float]


def log(rows: list[Row]) -> InteractionLog:
    users, items = (list(dict.fromkeys(row[column] for row in rows)) for column in (0, 1))
    return InteractionLog(
        np.array([users.index(user) for user, _, _ in rows], dtype=np.int32),
        np.array([items.index(item) for _, item, _ in rows], dtype=np.int32),
        np.array([round(time * 1000) for _, _, time in rows], dtype=np.int64),
        users,
        items,
        len(rows),
    )


def random_rows(seed: int, n: int = 300) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [
        (f"u{user}", f"i{item}", float(time))
        for user, item, time in zip(rng.zipf(1.5, n) % 60, rng.zipf(1.4, n) % 40, rng.integers(0, 50, n), strict=True)
    ]


def k_core_with_loops(rows: list[Row], core: int) -> list[Row]:
    while True:
        users, items = Counter(user for user, _, _ in rows), Counter(item for _, item, _ in rows)
        kept = [row for row in rows if users[row[0]] >= core and items[row[1]] >= core]
        if len(kept) == len(rows):
            return kept
        rows = kept


def items_by_user(rows: list[Row], **options: object) -> dict[str, list[str]]:
    """Each user's items in order, by external ids."""
    sequences = build_sequences(log(rows), Filters(**{"duplicates": "keep", "file_order": True, **options}), Path("x"))  # type: ignore[arg-type]
    items = [sequences.item_ids[item] for item in sequences.items.tolist()]
    bounds = sequences.offsets.tolist()
    return {user: items[bounds[number] : bounds[number + 1]] for number, user in enumerate(sequences.user_ids)}


def items_with_loops(rows: list[Row]) -> dict[str, list[str]]:
    users = sorted({user for user, _, _ in rows})
    return {user: [row[1] for row in sorted(rows, key=lambda row: row[2]) if row[0] == user] for user in users}


@pytest.mark.parametrize("core", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_core_and_order_against_loops(seed: int, core: int) -> None:
    rows = random_rows(seed)
    assert items_by_user(rows, user_core=core, item_core=core) == items_with_loops(k_core_with_loops(rows, core))


def test_the_core_filter_may_leave_nothing() -> None:
    kept = np.ones(3, dtype=bool)
    core_filter(np.array([0, 1, 2]), np.array([0, 0, 0]), kept, user_core=2, item_core=2)
    assert not kept.any()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("file_order", [True, False])
def test_the_files_order_matters_for_ties_only(seed: int, file_order: bool) -> None:
    """And where it is not asked for, not for them either."""
    rows = [
        (user, item, time + file_order * index / 1000) for index, (user, item, time) in enumerate(random_rows(seed))
    ]
    shuffled = [rows[index] for index in np.random.default_rng(seed).permutation(len(rows))]
    sequences, other = (
        build_sequences(log(table), Filters(2, 2, file_order=file_order), Path("x")) for table in (rows, shuffled)
    )
    assert sequences.user_ids == other.user_ids
    assert sequences.item_ids == other.item_ids
    np.testing.assert_array_equal(sequences.items, other.items)
    np.testing.assert_array_equal(sequences.offsets, other.offsets)


def test_duplicates() -> None:
    rows = [("u", "a", 2.0), ("u", "b", 1.0), ("u", "a", 2.0), ("u", "a", 0.0), ("v", "a", 2.0)]
    assert items_by_user(rows)["u"] == ["a", "b", "a", "a"]
    assert items_by_user(rows, duplicates="drop")["u"] == ["a", "b", "a"]
    assert items_by_user(rows, duplicates="first")["u"] == ["a", "b"]
    counts = [
        build_sequences(log(rows), Filters(duplicates=kind), Path("x")).duplicates  # type: ignore[arg-type]
        for kind in ("keep", "drop", "first")
    ]
    assert counts == [0, 1, 2]


def test_ids_are_sorted_as_numbers_where_all_are() -> None:
    rows = [(user, item, 0.0) for user in ("10", "9", "x") for item in ("10", "9", "1")]
    sequences = build_sequences(log(rows), Filters(), Path("x"))
    assert sequences.user_ids == ["10", "9", "x"]
    assert sequences.item_ids == ["1", "9", "10"]


def test_ties_are_sorted_by_a_hash_of_both_ids() -> None:
    """Neither by the order of rows nor by the order of ids, and not for all users alike."""
    rows = [(user, item, 1.0) for user in map(str, range(40)) for item in "abcd"]
    orders = items_by_user(rows, file_order=False)
    assert orders == items_by_user(rows[::-1], file_order=False)
    assert len(set(map(tuple, orders.values()))) > 10
    assert {tuple(sorted(items)) for items in orders.values()} == {tuple("abcd")}
    last = Counter(items[-1] for items in orders.values())
    assert all(count > 3 for count in last.values())
    assert len(last) == 4
    others = items_by_user([*rows, ("new", "aa", 0.0), ("0", "aa", 0.0)], file_order=False)
    assert {user: items[-4:] for user, items in others.items() if user != "new"} == orders, "other ids change nothing"


def test_ties_are_counted() -> None:
    rows = [("u", "a", 1.0), ("u", "b", 2.0), ("u", "c", 2.0), ("v", "a", 1.0), ("v", "b", 1.0), ("v", "c", 3.0)]
    ties = build_sequences(log(rows), Filters(), Path("x")).ties
    assert (ties.interactions, ties.targets) == (4, 1)


@pytest.mark.parametrize("cores", [(2, 5), (5, 0), (0, 3)])
def test_separate_cores(cores: tuple[int, int]) -> None:
    rows = random_rows(0)
    kept = rows
    while True:
        users, items = Counter(user for user, _, _ in kept), Counter(item for _, item, _ in kept)
        fewer = [row for row in kept if users[row[0]] >= cores[0] and items[row[1]] >= cores[1]]
        if len(fewer) == len(kept):
            break
        kept = fewer
    assert items_by_user(rows, user_core=cores[0], item_core=cores[1]) == items_with_loops(kept)


def test_a_period() -> None:
    rows = [(user, item, time) for user in "uv" for time, item in enumerate("abcd")]
    sequences = build_sequences(log(rows), Filters(since=1000, until=3000), Path("x"))
    assert sequences.item_ids == ["b", "c"]
    assert sequences.outside_period == 4
    assert sequences.times is not None
    assert sequences.times.tolist() == [1000, 2000] * 2
