"""The handling of items with the same codes."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from mindrec_bench.tokenizers import collisions
from mindrec_bench.tokenizers.collisions import (
    append_extra_code,
    count_colliding,
    handle_collisions,
    prefix_groups,
    resolve_collisions,
)
from mindrec_bench.tokenizers.quantizer import QuantizedItems, encode


def random_items(items: int, levels: int, codes: int, seed: int = 0, spread: float = 1.0) -> QuantizedItems:
    rng = np.random.default_rng(seed)
    latents = (spread * rng.standard_normal((items, 3))).astype("f4")
    codebooks = (rng.standard_normal((levels, codes, 3)) / 2.0 ** np.arange(levels)[:, None, None]).astype("f4")
    no_prefix = np.zeros((items, 0), dtype=np.int64)
    return QuantizedItems(latents, codebooks, encode(latents, codebooks, no_prefix), decode=lambda sums: sums)


CODES = np.array([[0, 1], [0, 1], [1, 0], [0, 1], [1, 1], [1, 0]])


def test_colliding_items_are_counted() -> None:
    assert count_colliding(CODES) == 5
    assert count_colliding(CODES[[0, 2, 4]]) == 0
    assert prefix_groups(CODES, 0).tolist() == [0] * 6
    assert prefix_groups(CODES, 1).tolist() == [0, 0, 1, 0, 1, 1]
    assert prefix_groups(CODES, 2).tolist() == [0, 0, 1, 0, 2, 1]


def test_an_extra_code_numbers_colliding_items() -> None:
    assert append_extra_code(CODES)[:, 2].tolist() == [0, 1, 0, 2, 0, 1]
    assert count_colliding(append_extra_code(CODES)) == 0


@pytest.mark.parametrize("spread", [1.0, 0.05, 0.0])
@pytest.mark.parametrize(("items", "codes"), [(50, 8), (60, 4), (64, 4)])
def test_every_item_gets_unique_codes_if_there_are_enough(items: int, codes: int, spread: float) -> None:
    """Without spread all items start with the same codes; 64 items take all 4^3 code sequences."""
    before = random_items(items, 3, codes, spread=spread)
    assert count_colliding(before.codes) > 0
    after = resolve_collisions(before)
    assert count_colliding(after) == 0
    assert after.min() >= 0
    assert after.max() < codes


def test_items_without_a_collision_in_their_group_stay() -> None:
    before = random_items(60, 3, 8)
    parents, groups = prefix_groups(before.codes, 2), prefix_groups(before.codes, 3)
    unaffected = ~np.isin(parents, parents[np.isin(groups, _repeated(groups))])
    assert 5 < unaffected.sum() < 60
    assert (np.bincount(prefix_groups(before.codes, 2)) <= 8).all()  # so only last codes need to change
    after = resolve_collisions(before)
    assert (after[unaffected] == before.codes[unaffected]).all()
    assert (after[:, :2] == before.codes[:, :2]).all()


def _repeated(groups: np.ndarray) -> np.ndarray:
    values, counts = np.unique(groups, return_counts=True)
    return values[counts > 1]


def test_the_cost_is_close_to_that_of_the_best_assignment() -> None:
    for seed in range(5):
        before = random_items(4, 1, 6, seed, spread=0.2)
        distance = np.square(before.latents[:, None] - before.codebooks[0]).sum(axis=-1)
        lowest = min(sum(distance[range(4), columns]) for columns in permutations(range(6), 4))
        assert distance[np.arange(4), resolve_collisions(before)[:, 0]].sum() <= 1.1 * lowest


def test_more_items_than_codes_are_spread_evenly() -> None:
    after = resolve_collisions(random_items(40, 2, 4))
    counts = np.unique(after, axis=0, return_counts=True)[1]
    assert (len(counts), counts.max()) == (16, 3)  # ceil(40 / 16)


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    before = random_items(300, 3, 8)
    whole = resolve_collisions(before)
    monkeypatch.setattr(collisions, "MAX_COSTS", 100)
    assert (resolve_collisions(before) == whole).all()


def test_each_way_to_handle_collisions() -> None:
    before = random_items(50, 2, 8, spread=0.3)
    assert (handle_collisions(before, "keep") == before.codes).all()
    assert (handle_collisions(before, "resolve") == resolve_collisions(before)).all()
    assert handle_collisions(before, "extra-code").shape == (50, 3)
