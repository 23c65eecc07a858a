"""Filters, order and numbers of interactions, against plain loops."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mindrec_bench.data.importing.interactions import RawInteractions, arrange, core_filter

Row = tuple[str, str, float]


def raw(rows: list[Row]) -> RawInteractions:
    users, items = (list(dict.fromkeys(row[column] for row in rows)) for column in (0, 1))
    return RawInteractions(
        np.array([users.index(user) for user, _, _ in rows], dtype=np.int32),
        np.array([items.index(item) for _, item, _ in rows], dtype=np.int32),
        np.array([time for _, _, time in rows], dtype=np.float64),
        users,
        items,
        len(rows),
    )


def drawn(seed: int, n: int = 300) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [
        (f"u{user}", f"i{item}", float(time))
        for user, item, time in zip(rng.zipf(1.5, n) % 60, rng.zipf(1.4, n) % 40, rng.integers(0, 50, n), strict=True)
    ]


def core_by_hand(rows: list[Row], core: int) -> list[Row]:
    while True:
        users, items = Counter(user for user, _, _ in rows), Counter(item for _, item, _ in rows)
        left = [row for row in rows if users[row[0]] >= core and items[row[1]] >= core]
        if len(left) == len(rows):
            return left
        rows = left


def own(rows: list[Row], **options: object) -> dict[str, list[str]]:
    """Each user's items by their own ids, as arranged."""
    found = arrange(raw(rows), path=Path("x"), **{"core": 0, "duplicates": "keep", **options})  # type: ignore[arg-type]
    items = [found.item_ids[item] for item in found.items.tolist()]
    bounds = found.offsets.tolist()
    return {user: items[bounds[at] : bounds[at + 1]] for at, user in enumerate(found.user_ids)}


def own_by_hand(rows: list[Row]) -> dict[str, list[str]]:
    users = sorted({user for user, _, _ in rows})
    return {user: [row[1] for row in sorted(rows, key=lambda row: row[2]) if row[0] == user] for user in users}


@pytest.mark.parametrize("core", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_core_and_order_against_loops(seed: int, core: int) -> None:
    rows = drawn(seed)
    assert own(rows, core=core) == own_by_hand(core_by_hand(rows, core))


def test_nothing_can_be_left_by_the_core_filter() -> None:
    kept = np.ones(3, dtype=bool)
    core_filter(np.array([0, 1, 2]), np.array([0, 0, 0]), kept, 2)
    assert not kept.any()


@pytest.mark.parametrize("seed", range(3))
def test_the_files_order_matters_for_ties_only(seed: int) -> None:
    rows = [(user, item, time + place / 1000) for place, (user, item, time) in enumerate(drawn(seed))]
    shuffled = [rows[place] for place in np.random.default_rng(seed).permutation(len(rows))]
    first, other = (arrange(raw(given), core=2, duplicates="drop", path=Path("x")) for given in (rows, shuffled))
    assert first.user_ids == other.user_ids
    assert first.item_ids == other.item_ids
    np.testing.assert_array_equal(first.items, other.items)
    np.testing.assert_array_equal(first.offsets, other.offsets)


def test_duplicates() -> None:
    rows = [("u", "a", 2.0), ("u", "b", 1.0), ("u", "a", 2.0), ("u", "a", 0.0), ("v", "a", 2.0)]
    assert own(rows)["u"] == ["a", "b", "a", "a"]
    assert own(rows, duplicates="drop")["u"] == ["a", "b", "a"]
    assert own(rows, duplicates="first")["u"] == ["a", "b"]
    counts = [
        arrange(raw(rows), core=0, duplicates=kind, path=Path("x")).duplicates for kind in ("keep", "drop", "first")
    ]  # type: ignore[arg-type]
    assert counts == [0, 1, 2]


def test_ids_are_sorted_as_numbers_where_all_are() -> None:
    rows = [(user, item, 0.0) for user in ("10", "9", "x") for item in ("10", "9", "1")]
    found = arrange(raw(rows), core=0, duplicates="drop", path=Path("x"))
    assert found.user_ids == ["10", "9", "x"]
    assert found.item_ids == ["1", "9", "10"]
