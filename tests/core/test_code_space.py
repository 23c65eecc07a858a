"""CodeSpace on a catalogue of five items, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindrec_bench.core.code_space import CodeSpace

SIDS = np.array([[10, 0, 5], [2, 0, 5], [2, 7, 5], [10, 7, 5], [2, 7, 5]])
CATEGORIES = np.array([[4], [1], [1], [0], [4]])


@pytest.fixture
def space() -> CodeSpace:
    return CodeSpace.build(SIDS, CATEGORIES)


def test_slots_and_vocabularies_by_hand(space):
    assert [numbers.tolist() for numbers in space.numbers] == [[0, 1, 4], [2, 10], [0, 7], [5]]
    assert (space.n_items, space.n_slots, space.n_categories) == (5, 4, 1)
    assert space.sizes == (3, 2, 2, 1)
    assert space.offsets == (0, 3, 5, 7, 8)
    assert (space.category_slots, space.sid_slots) == ((0,), (1, 2, 3))


def test_codes_are_places_in_the_order_of_their_numbers(space):
    expected = [[2, 1, 0, 0], [1, 0, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [2, 0, 1, 0]]
    assert space.item_codes.tolist() == expected
    assert space.item_codes.dtype == np.int64
    assert space.item_sids.tolist() == [row[1:] for row in expected]


def test_without_categories(space):
    bare = CodeSpace.build(SIDS)
    assert (bare.n_categories, bare.n_slots, bare.category_slots) == (0, 3, ())
    assert (bare.item_codes == space.item_sids).all()
    assert (bare.sid_keys == space.sid_keys).all()


def test_sid_keys_are_equal_for_equal_sids_only(space):
    keys = space.sid_keys
    assert keys[2] == keys[4]
    assert len(set(keys.tolist())) == 4
    assert (keys >= 0).all()


def test_an_unfilled_sid_has_no_key(space):
    sids = np.array([[[0, 1, 0], [-1, 1, 0], [-1, -1, -1]]])
    keys = space.sid_key(sids)
    assert keys.shape == (1, 3)
    assert keys[0, 0] == space.sid_keys[2]
    assert keys[0, 1:].tolist() == [-1, -1]


def test_numbers_and_back(space):
    slots = (1, 2, 3)
    assert space.to_numbers(space.item_sids, slots).tolist() == SIDS.tolist()
    assert (space.from_numbers(SIDS, slots) == space.item_sids).all()
    padding = np.full((2, 3), -1)
    assert (space.to_numbers(padding, slots) == -1).all()
    assert (space.from_numbers(padding, slots) == -1).all()


def test_a_number_that_a_slot_does_not_have_has_no_code(space):
    numbers = np.array([[1, 3, 5], [99, 7, 6], [2, 0, 4]])
    assert space.from_numbers(numbers, (1, 2, 3)).tolist() == [[-1, -1, 0], [-1, 1, -1], [0, 0, -1]]


@given(st.lists(st.tuples(*[st.integers(0, 300)] * 4), min_size=1, max_size=30))
def test_any_catalogue_comes_back(rows):
    sids = np.array(rows)
    space = CodeSpace.build(sids)
    assert (space.to_numbers(space.item_codes, space.sid_slots) == sids).all()
    same = space.sid_keys[:, None] == space.sid_keys[None]
    assert (same == (sids[:, None] == sids[None]).all(axis=2)).all()


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=12), st.integers(0, 9))
def test_find_is_the_first_item_with_all_these_codes(sids, seed):
    space = CodeSpace.build(np.array(sids))
    rng = np.random.default_rng(seed)
    asked = np.concatenate([space.item_codes, rng.integers(-1, max(space.sizes) + 1, (6, 3))]).reshape(-1, 1, 3)
    items = space.item_codes.tolist()
    expected = [items.index(codes) if codes in items else -1 for codes in asked[:, 0].tolist()]
    assert space.find(asked)[:, 0].tolist() == expected


def test_find_in_more_slots_than_a_number_of_64_bits_holds():
    codes = np.random.default_rng(0).integers(0, 1000, (50, 30))
    space = CodeSpace.build(codes)
    assert space.find(space.item_codes).tolist() == list(range(50))
    strange = space.item_codes.copy()
    strange[:, 29] = strange[::-1, 29]
    assert (space.find(strange) == -1).all()
