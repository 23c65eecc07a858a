"""What happens to items with the same codes."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from mindrec_bench.tokenizers import collisions
from mindrec_bench.tokenizers.collisions import numbered, prefix_groups, resolve, settle, sharing
from mindrec_bench.tokenizers.quantised import Quantised, encode


def quantised(items: int, levels: int, codes: int, seed: int = 0, spread: float = 1.0) -> Quantised:
    rng = np.random.default_rng(seed)
    latents = (spread * rng.standard_normal((items, 3))).astype("f4")
    books = (rng.standard_normal((levels, codes, 3)) / 2.0 ** np.arange(levels)[:, None, None]).astype("f4")
    given = np.zeros((items, 0), dtype=np.int64)
    return Quantised(latents, books, encode(latents, books, given), decode=lambda sums: sums)


CODES = np.array([[0, 1], [0, 1], [1, 0], [0, 1], [1, 1], [1, 0]])


def test_counting() -> None:
    assert sharing(CODES) == 5
    assert sharing(CODES[[0, 2, 4]]) == 0
    assert prefix_groups(CODES, 0).tolist() == [0] * 6
    assert prefix_groups(CODES, 1).tolist() == [0, 0, 1, 0, 1, 1]
    assert prefix_groups(CODES, 2).tolist() == [0, 0, 1, 0, 2, 1]


def test_numbered() -> None:
    assert numbered(CODES)[:, 2].tolist() == [0, 1, 0, 2, 0, 1]
    assert sharing(numbered(CODES)) == 0


@pytest.mark.parametrize("spread", [1.0, 0.05, 0.0])
@pytest.mark.parametrize(("items", "codes"), [(50, 8), (60, 4), (64, 4)])
def test_every_item_gets_its_own_codes_where_there_is_room(items: int, codes: int, spread: float) -> None:
    """With no spread all items start with the same codes; with 64 items and 4^3 codes every place is taken."""
    before = quantised(items, 3, codes, spread=spread)
    assert sharing(before.codes) > 0
    after = resolve(before)
    assert sharing(after) == 0
    assert after.min() >= 0
    assert after.max() < codes


def test_items_without_a_collision_in_their_group_stay() -> None:
    before = quantised(60, 3, 8)
    group = prefix_groups(before.codes, 2)
    alone = ~np.isin(group, group[np.isin(prefix_groups(before.codes, 3), _repeated(prefix_groups(before.codes, 3)))])
    assert 5 < alone.sum() < 60
    assert (np.bincount(prefix_groups(before.codes, 2)) <= 8).all()  # so only last codes need to move
    after = resolve(before)
    assert (after[alone] == before.codes[alone]).all()
    assert (after[:, :2] == before.codes[:, :2]).all()


def _repeated(groups: np.ndarray) -> np.ndarray:
    values, counts = np.unique(groups, return_counts=True)
    return values[counts > 1]


def test_as_cheap_as_the_best_of_all_assignments() -> None:
    for seed in range(5):
        before = quantised(4, 1, 6, seed, spread=0.2)
        distance = np.square(before.latents[:, None] - before.codebooks[0]).sum(axis=-1)
        least = min(sum(distance[range(4), chosen]) for chosen in permutations(range(6), 4))
        assert distance[np.arange(4), resolve(before)[:, 0]].sum() <= 1.1 * least


def test_more_items_than_codes_are_spread_evenly() -> None:
    after = resolve(quantised(40, 2, 4))
    counts = np.unique(after, axis=0, return_counts=True)[1]
    assert (len(counts), counts.max()) == (16, 3)  # ceil(40 / 16)


def test_parts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = quantised(300, 3, 8)
    whole = resolve(before)
    monkeypatch.setattr(collisions, "_CELLS", 100)
    assert (resolve(before) == whole).all()


def test_settle() -> None:
    before = quantised(50, 2, 8, spread=0.3)
    assert (settle(before, "keep") == before.codes).all()
    assert (settle(before, "resolve") == resolve(before)).all()
    assert settle(before, "extra-code").shape == (50, 3)
