"""Slices of held-out users, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.core.dataset import Dataset, ItemTexts
from mindrec_bench.data.slices import SLICES, slice_users
from mindrec_bench.errors import UsageError

from ..core.test_holdout import make_dataset


@pytest.fixture
def data() -> Dataset:
    """Users 0, 10, 20. In training 0 0 0 1 | 1 2 | 0 3; test 0 0 0 1 4 -> 1 | 1 2 3 -> 5 | 0 3 0 -> 3."""
    sequences = [[0, 0, 0, 1, 4, 1], [1, 2, 3, 5], [0, 3, 0, 3]]
    return make_dataset(sequences, [list(range(len(items))) for items in sequences])


def groups(data: Dataset, by: str, **kwargs: str) -> dict[int, str]:
    slices = slice_users(data, by, **kwargs)
    return {user: slices.groups[group] for user, group in zip(slices.users.tolist(), slices.group_of, strict=True)}


def test_transitions_are_of_the_training_parts(data):
    """0 -> 3 is in training; 4 -> 1 is not, and 3 -> 5 is not."""
    assert groups(data, "transition") == {0: "unseen transition", 10: "unseen transition", 20: "seen transition"}
    assert groups(data, "transition", split="valid")[20] == "unseen transition"


def test_cold_targets_have_no_interaction_in_training(data):
    assert groups(data, "cold") == {0: "in training", 10: "cold", 20: "in training"}


def test_thirds_of_the_training_interactions(data):
    """Item 0 has 4 of 8 interactions, item 1 two, items 2 and 3 one each."""
    slices = slice_users(data, "popularity")
    assert slices.groups == (
        "most popular third (4 to 4 interactions)",
        "middle third (2 to 2 interactions)",
        "least popular third (1 to 1 interactions)",
        "not in training",
    )
    assert slices.group_of.tolist() == [1, 3, 2]


def test_the_whole_history_counts_and_not_what_a_model_sees(data):
    assert groups(replace(data, history=1), "history") == {0: "5 to 9 items", 10: "1 to 4 items", 20: "1 to 4 items"}


def test_categories_have_the_name_of_their_items(data):
    with pytest.raises(UsageError, match="hand has no categories; choose another slice: history,"):
        slice_users(data, "category")
    data = replace(data, categories=np.array([[7], [7], [2], [2], [2], [2]]))
    assert groups(data, "category") == {0: "category 7", 10: "category 2", 20: "category 2"}
    names = ("Art,Paint", "Art,Paint,Oil", "Art,Wool", "", "", "")
    blank = ("",) * 6
    texts = ItemTexts(blank, blank, blank, names)
    assert groups(replace(data, read_texts=lambda: texts), "category") == {0: "Paint", 10: "Wool", 20: "Wool"}


def test_members_are_found_for_some_of_the_users(data):
    slices = slice_users(data, "cold")
    assert [(name, mask.tolist()) for name, mask in slices.members(np.array([20, 10]))] == [
        ("in training", [True, False]),
        ("cold", [False, True]),
    ]
    assert [name for name, _ in slices.members(np.array([0, 20]))] == ["in training"]


def test_an_unknown_slice_is_refused_by_name(data):
    with pytest.raises(UsageError, match=r"unknown slice 'transitions' in --by \(did you mean 'transition'\?\)"):
        slice_users(data, "transitions")
    assert list(SLICES) == ["history", "popularity", "category", "transition", "cold"]
