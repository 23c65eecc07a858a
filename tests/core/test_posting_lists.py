"""Items that match what is revealed, against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.posting_lists import PostingLists, concatenate_ranges
from mindrec_bench.testing import random_space


def test_every_state_against_enumeration():
    sizes = (2, 3, 4)
    items = random_space(sizes, 9, seed=3).item_codes
    states = list(itertools.product(*(range(MASK, size) for size in sizes)))
    row, item = PostingLists(items, sizes).matching_items(torch.tensor(states))
    expected = [
        (r, n)
        for r, state in enumerate(states)
        for n, codes in enumerate(items.tolist())
        if all(s in (MASK, c) for s, c in zip(state, codes, strict=True))
    ]
    assert list(zip(row.tolist(), item.tolist(), strict=True)) == expected


def test_a_code_that_no_item_has():
    lists = PostingLists(np.array([[0, 1], [2, 1]]), (4, 2))
    row, item = lists.matching_items(torch.tensor([[1, MASK], [3, 1], [MASK, 0], [2, MASK]]))
    assert row.tolist() == [3]
    assert item.tolist() == [1]


def test_concatenated_ranges():
    row, value = concatenate_ranges(torch.tensor([5, 0, 9]), torch.tensor([2, 0, 3]))
    assert row.tolist() == [0, 0, 2, 2, 2]
    assert value.tolist() == [5, 6, 9, 10, 11]
