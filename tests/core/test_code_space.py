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


def test_codes_are_indices_in_the_order_of_their_numbers(space):
    expected = [[2, 1, 0, 0], [1, 0, 0, 0], [1, 0, 1, 0], [0, 1, 1, 0], [2, 0, 1, 0]]
    assert space.item_codes.tolist() == expected
    assert space.item_codes.dtype == np.int64
    assert space.item_sids.tolist() == [row[1:] for row in expected]


def test_without_categories(space):
    bare = CodeSpace.build(SIDS)
    assert (bare.n_categories, bare.n_slots, bare.category_slots) == (0, 3, ())
    assert (bare.item_codes == space.item_sids).all()
    assert (bare.sid_index.item_sequences == space.sid_index.item_sequences).all()


def test_sid_sequences_are_equal_for_equal_sids_only(space):
    sequences = space.sid_index.item_sequences
    assert sequences[2] == sequences[4]
    assert len(set(sequences.tolist())) == 4
    assert (sequences >= 0).all()


def test_an_unfilled_sid_has_no_sequence(space):
    sids = np.array([[[0, 1, 0], [-1, 1, 0], [-1, -1, -1]]])
    sequences = space.sid_index.number_sequences(sids)
    assert sequences.shape == (1, 3)
    assert sequences[0, 0] == space.sid_index.item_sequences[2]
    assert sequences[0, 1:].tolist() == [-1, -1]


def test_the_canvas_by_the_use_of_categories(space):
    assert space.canvas_slots("history") == (1, 2, 3)
    for categories in ("generate", "given"):
        assert space.canvas_slots(categories) == (0, 1, 2, 3)
    assert CodeSpace.build(SIDS).canvas_slots("none") == (0, 1, 2)
    assert space.canvas_sizes((1, 2, 3)) == space.sid_sizes == (2, 2, 1)
    assert space.canvas_sizes((3, 0)) == (1, 3)


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
    sequences = space.sid_index.item_sequences
    same = sequences[:, None] == sequences[None]
    assert (same == (sids[:, None] == sids[None]).all(axis=2)).all()


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=12), st.integers(0, 9))
def test_find_is_the_first_item_with_all_these_codes(sids, seed):
    space = CodeSpace.build(np.array(sids))
    rng = np.random.default_rng(seed)
    codes = np.concatenate([space.item_codes, rng.integers(-1, max(space.sizes) + 1, (6, 3))]).reshape(-1, 1, 3)
    items = space.item_codes.tolist()
    expected = [items.index(row) if row in items else -1 for row in codes[:, 0].tolist()]
    assert space.find(codes)[:, 0].tolist() == expected


def test_find_in_more_slots_than_a_number_of_64_bits_holds():
    codes = np.random.default_rng(0).integers(0, 1000, (50, 30))
    space = CodeSpace.build(codes)
    assert space.find(space.item_codes).tolist() == list(range(50))
    other = space.item_codes.copy()
    other[:, 29] = other[::-1, 29]
    assert (space.find(other) == -1).all()
