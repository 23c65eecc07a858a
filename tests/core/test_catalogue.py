"""The catalogue index against plain Python over lists of tuples."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mindrec_bench.core.catalogue import CatalogueIndex
from mindrec_bench.core.posting_lists import PostingLists
from mindrec_bench.testing import random_space

SIZES = (4, 4, 4)
CATALOGUES = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=12)


def random_codes(items: list[tuple[int, ...]], seed: int) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Codes of items, of no item, of no slot, and with slots that are not filled; as an array and as tuples."""
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.array(items), rng.integers(-1, 4, (10, 3)), rng.integers(-1, 5, (4, 3))])
    return codes, [tuple(row) for row in codes.tolist()]


@given(CATALOGUES)
def test_sequences_are_numbered_in_lexicographic_order(items):
    index = CatalogueIndex(np.array(items), SIZES)
    distinct = sorted(set(items))
    assert index.n_sequences == len(distinct)
    assert index.item_sequences.tolist() == [distinct.index(item) for item in items]
    assert index.first_items.tolist() == [items.index(sequence) for sequence in distinct]


@given(CATALOGUES, st.integers(0, 9))
def test_find_equals_a_plain_search(items, seed):
    index, distinct = CatalogueIndex(np.array(items), SIZES), sorted(set(items))
    codes, rows = random_codes(items, seed)
    expected = [distinct.index(row) if row in distinct else -1 for row in rows]
    assert index.find_sequences(codes).tolist() == expected
    assert index.find_items(codes).tolist() == [items.index(row) if row in items else -1 for row in rows]


@given(CATALOGUES, st.integers(0, 9))
def test_numbers_are_equal_for_equal_codes_only(items, seed):
    index = CatalogueIndex(np.array(items), SIZES)
    codes, rows = random_codes(items, seed)
    codes, rows = codes[:-4], rows[:-4]
    numbers = index.number_sequences(codes).tolist()
    for row, number, sequence in zip(rows, numbers, index.find_sequences(codes).tolist(), strict=True):
        if min(row) < 0:
            assert number == -1
        elif row in items:
            assert number == sequence
        else:
            assert number >= index.n_sequences
    filled = [(row, number) for row, number in zip(rows, numbers, strict=True) if min(row) >= 0]
    assert len({number for _, number in filled}) == len({row for row, _ in filled}) == len(set(filled))


def test_any_shape_of_codes():
    space = random_space((2, 3, 4), 9, seed=3)
    index = space.index((0, 1, 2))
    codes = np.random.default_rng(0).integers(-1, 3, (5, 2, 3))
    for method in (index.find_sequences, index.find_items, index.number_sequences):
        assert method(codes).shape == (5, 2)
        assert method(codes[:0]).shape == (0, 2)
    assert (index.find_items(codes).ravel() == index.find_items(codes.reshape(-1, 3))).all()


def test_some_slots_of_a_code_space():
    space = random_space((2, 3, 4), 9, n_categories=1, seed=3)
    index = space.index((2, 0))
    assert index.sizes == (4, 2)
    assert (index.items == space.item_codes[:, [2, 0]]).all()
    assert space.index((2, 0)) is index
    assert space.sid_index is space.index((1, 2))


def test_more_slots_than_64_bits_number():
    items = np.random.default_rng(1).integers(0, 200, size=(50, 12))
    index = CatalogueIndex(items, (200,) * 12)
    assert index.n_sequences == 50
    assert sorted(index.item_sequences.tolist()) == list(range(50))
    other = items.copy()
    other[:, 5] = (other[:, 5] + 1) % 200
    assert (index.find_sequences(other) == -1).all()
    assert sorted(index.number_sequences(other).tolist()) == list(range(50, 100))


def test_posting_lists_are_those_of_the_items():
    index = random_space((2, 3), 5, seed=1).index((0, 1))
    assert isinstance(index.posting_lists, PostingLists)
    assert index.posting_lists is index.posting_lists
    _, items = index.posting_lists.matching_items(torch.tensor([[-1, -1]]))
    assert items.tolist() == list(range(5))


@pytest.mark.parametrize("module", ["core", "core.catalogue", "core.backbone", "metrics.lists", "stats.comparison"])
def test_it_is_imported_without_torch(module):
    code = f"import sys, mindrec_bench.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
