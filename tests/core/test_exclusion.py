"""What is never recommended again, against the rule in plain Python."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.exclusion import ExcludedItems, seen_items
from mindrec_bench.testing import make_canvas, random_space

SIZES = (2, 3, 2, 2)


@pytest.mark.parametrize("n_categories", [0, 2])
def test_a_result_is_excluded_if_every_item_of_its_sid_was_seen(n_categories):
    space = random_space(SIZES, 9, n_categories=n_categories, seed=3)
    assert len(np.unique(space.item_sids, axis=0)) < 9, "no two items share a SID"
    items = np.random.default_rng(0).integers(-1, 9, size=(300, 12))
    seen = seen_items(Histories(items, np.arange(300)), space.sid_index)
    assert seen.shape == items.shape
    some_but_not_all = 0
    for history, row in zip(items.tolist(), seen.tolist(), strict=True):
        excluded = [item for item in row if item >= 0]
        assert len(excluded) == len(set(excluded))
        assert all(item in (before, -1) for before, item in zip(history, row, strict=True))
        for item in set(history) - {-1}:
            sharing = np.flatnonzero((space.item_sids == space.item_sids[item]).all(axis=1)).tolist()
            whole = set(sharing) <= set(history)
            assert (item in excluded) == whole
            some_but_not_all += not whole
    assert some_but_not_all > 0


def test_an_item_that_is_seen_twice_is_one_item():
    space = random_space((2, 2), 6, seed=0)
    space.item_codes[:] = [[0, 0], [0, 0], [0, 1], [1, 0], [1, 1], [1, 1]]
    histories = Histories(np.array([[0, 0, 2, 2], [0, 1, 0, -1], [-1, -1, -1, -1]]), np.arange(3))
    expected = [[-1, -1, 2, -1], [0, 1, -1, -1], [-1, -1, -1, -1]]
    assert seen_items(histories, space.sid_index).tolist() == expected


@pytest.mark.parametrize("n_categories", [0, 1])
def test_codes_that_complete_an_excluded_sid(n_categories):
    space = random_space(SIZES, 9, n_categories=n_categories, seed=1)
    items = np.array([[3, -1, 5], [-1, -1, -1]])
    excluded = make_canvas(space, np.arange(2), excluded=items).excluded
    assert isinstance(excluded, ExcludedItems)
    sids = [{tuple(space.item_sids[i].tolist()) for i in row if i >= 0} for row in items]
    rng = np.random.default_rng(0)
    states = rng.integers(0, SIZES, size=(2, 200, 4))
    states[rng.random(states.shape) < 0.3] = MASK
    slots = list(range(n_categories, 4))
    allowed = excluded.allowed(torch.from_numpy(states), torch.tensor(slots))
    contained = excluded.contain(torch.from_numpy(states))
    assert allowed.shape == (2, 200, len(slots), max(SIZES))
    counts = {True: 0, False: 0}
    for user in range(2):
        for beam, state in enumerate(states[user].tolist()):
            assert contained[user, beam] == (tuple(state[n_categories:]) in sids[user])
            for position, slot in enumerate(slots):
                if state[slot] != MASK:
                    continue
                for code in range(SIZES[slot]):
                    completed = tuple([*state[:slot], code, *state[slot + 1 :]][n_categories:])
                    assert allowed[user, beam, position, code] == (completed not in sids[user])
                    counts[completed in sids[user]] += 1
    assert min(counts.values()) > 0


def test_excluded_items_of_the_catalogue():
    excluded = make_canvas(
        random_space((2, 2), 4), np.arange(2), excluded=np.array([[2, -1, 0], [-1, -1, -1]])
    ).excluded
    assert excluded is not None
    assert excluded.among(4).tolist() == [[True, False, True, False], [False] * 4]
