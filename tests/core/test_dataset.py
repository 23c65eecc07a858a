"""The leave-one-out split, on a small ragged dataset and against a plain loop."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mindrec_bench.core.choices import HISTORY
from mindrec_bench.core.dataset import Dataset


def make_dataset(sequences: dict[int, list[int]], n_items: int) -> Dataset:
    lengths = [len(items) for items in sequences.values()]
    return Dataset(
        name="hand",
        users=np.array(list(sequences)),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        items=np.array([item for items in sequences.values() for item in items]),
        item_ids=[str(i) for i in range(n_items)],
        sids=np.stack([np.arange(n_items), np.arange(n_items) % 3], axis=1),
        categories=np.arange(n_items)[:, None] % 2,
        fingerprint="",
    )


FOURTEEN = list(range(14))
SEQUENCES = {3: [0, 1, 2], 5: FOURTEEN, 9: [4, 4, 4, 1]}


def padded(items: list[int]) -> list[int]:
    return [-1] * (HISTORY - len(items)) + items


@pytest.fixture
def small() -> Dataset:
    return make_dataset(SEQUENCES, 15)


def test_test_targets_and_histories(small: Dataset) -> None:
    examples = small.test()
    assert examples.targets.tolist() == [2, 13, 1]
    assert examples.histories.users.tolist() == [3, 5, 9]
    assert examples.histories.items.tolist() == [padded([0, 1]), FOURTEEN[3:13], padded([4, 4, 4])]


def test_validation_ends_before_its_target(small: Dataset) -> None:
    examples = small.validation()
    assert examples.targets.tolist() == [1, 12, 4]
    assert examples.histories.items.tolist() == [padded([0]), FOURTEEN[2:12], padded([4, 4])]


def test_three_interactions_leave_no_training_example(small: Dataset) -> None:
    examples = small.train_examples()
    # User 3 has one training item; user 5 has twelve, so eleven examples; user 9 has two, so one.
    assert examples.histories.users.tolist() == [5] * 11 + [9]
    assert examples.targets.tolist() == [*range(1, 12), 4]
    assert examples.histories.items[0].tolist() == padded([0])
    assert examples.histories.items[10].tolist() == FOURTEEN[1:11]
    assert examples.histories.items[11].tolist() == padded([4])
    assert len(examples) == 12


def test_counts_and_pairs_come_from_the_training_parts(small: Dataset) -> None:
    counts = small.train_counts()
    assert len(counts) == 15
    assert counts.tolist() == [2, 1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    first, second = small.train_pairs()
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [*((i, i + 1) for i in range(11)), (4, 4)]


def test_space_with_and_without_categories(small: Dataset) -> None:
    assert small.space(categories=True).sizes == (2, 15, 3)
    assert small.space(categories=False).sizes == (15, 3)


@pytest.mark.parametrize("seed", range(5))
def test_split_equals_a_plain_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 26, size=40)
    sequences = {int(u): rng.integers(0, 30, size=n).tolist() for u, n in enumerate(lengths)}
    data = make_dataset(sequences, 30)
    expected = [
        (u, padded(items[max(0, i - HISTORY) : i]), items[i])
        for u, items in sequences.items()
        for i in range(1, len(items) - 2)
    ]
    examples = data.train_examples()
    rows = zip(examples.histories.users, examples.histories.items, examples.targets, strict=True)
    assert [(int(u), history.tolist(), int(target)) for u, history, target in rows] == expected
    for held_out, back in ((data.validation(), 2), (data.test(), 1)):
        assert held_out.targets.tolist() == [items[-back] for items in sequences.values()]
        assert held_out.histories.items.tolist() == [
            padded(items[max(0, len(items) - back - HISTORY) : len(items) - back]) for items in sequences.values()
        ]
    pairs = [pair for items in sequences.values() for pair in pairwise(items[:-2])]
    assert list(zip(*(side.tolist() for side in data.train_pairs()), strict=True)) == pairs
    assert data.train_counts().sum() == sum(lengths - 2)


def test_the_interactions_hash_ignores_codes_and_unused_items() -> None:
    same = make_dataset(SEQUENCES, 15)
    more = make_dataset(SEQUENCES, 30)
    assert same.interactions_hash == more.interactions_hash
    other_codes = make_dataset(SEQUENCES, 15)
    other_codes.sids[:] = 7
    assert other_codes.interactions_hash == same.interactions_hash


@pytest.mark.parametrize(
    "changed",
    [
        {**SEQUENCES, 9: [4, 4, 4, 2]},
        {3: [0, 1, 2], 5: FOURTEEN, 8: [4, 4, 4, 1]},
        {3: [0, 1, 2], 5: FOURTEEN[:-1], 9: [4, 4, 4, 4, 1]},
    ],
    ids=["a target", "a user id", "a length"],
)
def test_the_interactions_hash_tells_sequences_apart(changed: dict[int, list[int]]) -> None:
    assert make_dataset(changed, 15).interactions_hash != make_dataset(SEQUENCES, 15).interactions_hash


def test_the_interactions_hash_is_over_item_ids_and_not_indices() -> None:
    renamed = make_dataset(SEQUENCES, 15)
    renamed.item_ids[14:] = ["harp"]  # an item in no sequence
    assert renamed.interactions_hash == make_dataset(SEQUENCES, 15).interactions_hash
    renamed = make_dataset(SEQUENCES, 15)
    renamed.item_ids[1] = "harp"
    assert renamed.interactions_hash != make_dataset(SEQUENCES, 15).interactions_hash
