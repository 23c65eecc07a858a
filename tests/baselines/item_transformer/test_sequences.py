"""Sequences for training: every item is predicted once, from the items before it."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch

from mindrec_baselines.esasrec import ESasRec
from mindrec_baselines.item_transformer.sequences import (
    PackedItems,
    next_item_batch,
    pad_to_few_shapes,
    swap_neighbours,
    training_sequences,
)
from mindrec_baselines.rpg import Rpg
from mindrec_baselines.training.batches import ExampleDataset
from mindrec_bench.core.dataset import Examples, Histories

from ..causal import task


@pytest.mark.parametrize("validation_items", [False, True])
@pytest.mark.parametrize("history", [1, 3, 50])
def test_every_item_is_predicted_once_from_those_before_it(chain, history: int, validation_items: bool) -> None:
    data = dataclasses.replace(chain(users=20), history=history)
    sequences = training_sequences(data, validation_items=validation_items)
    batch = next_item_batch(sequences, every_position=True)
    users = np.repeat(sequences.histories.users, (sequences.histories.items >= 0).sum(axis=1))
    found = sorted(zip(users.tolist(), batch["items"].tolist(), batch["labels"].tolist(), strict=True))
    expected = []
    for user in range(20):
        sequence = data.items[data.offsets[user] : data.offsets[user + 1] - (1 if validation_items else 2)].tolist()
        expected += [(user, first, second) for first, second in pairwise(sequence)]
    assert found == sorted(expected)
    assert (np.diff(sequences.histories.users) >= 0).all()
    if history == 50:
        longest = [data.offsets[user + 1] - data.offsets[user] - 2 + validation_items for user in range(20)]
        assert len(sequences) == sum(length > 1 for length in longest), "one sequence for each user"


def test_packing() -> None:
    items = np.array([[-1, 5, 6], [-1, -1, -1], [7, 8, 9]])
    packed = PackedItems.pack(items)
    assert packed.items.tolist() == [5, 6, -1, 7, 8, 9]
    assert packed.places.tolist() == [0, 1, 3, 6, 7, 8], "rows of three places, padding behind"
    assert packed.ends.tolist() == [1, 2, 5]
    assert packed.tensors()["grid"].shape == (3, 3, 0)


def test_the_last_position_alone() -> None:
    examples = Examples(Histories(np.array([[-1, 5, 6], [7, 8, 9]]), np.arange(2)), np.array([1, 2]))
    every, last = (next_item_batch(examples, every_position=flag) for flag in (True, False))
    assert every["labels"].tolist() == [6, 1, 8, 9, 2]
    assert every["predicted"].tolist() == [0, 1, 2, 3, 4]
    assert last["labels"].tolist() == [1, 2]
    assert last["predicted"].tolist() == [1, 4]


def test_padding_to_few_shapes() -> None:
    examples = Examples(Histories(np.array([[-1, -1, 5, 6], [-1, 7, 8, 9]]), np.arange(2)), np.array([1, 2]))
    batch = pad_to_few_shapes(next_item_batch(examples, every_position=True), 16)
    assert batch["grid"].shape == (2, 16, 0)
    assert batch["items"].tolist() == [5, 6, 7, 8, 9, -1]
    assert batch["places"].tolist() == [0, 1, 16, 17, 18, 2]
    assert batch["labels"].tolist() == [6, 1, 8, 9, 2, -100]
    assert batch["predicted"].tolist() == [0, 1, 2, 3, 4, 5]
    last = pad_to_few_shapes(next_item_batch(examples, every_position=False), 16)
    assert (last["predicted"].tolist(), last["labels"].tolist()) == ([1, 4], [1, 2])
    assert pad_to_few_shapes(batch, 16)["places"].tolist() == batch["places"].tolist()


@pytest.mark.parametrize("every_position", [True, False])
@pytest.mark.parametrize(
    "backbone",
    [
        pytest.param(Rpg(), id="rpg"),
        pytest.param(ESasRec(early_stopping="loss"), id="ce"),
        pytest.param(ESasRec(gates=False, loss="sampled-softmax", negatives=9), id="sampled"),
        pytest.param(ESasRec(early_stopping="ndcg"), id="ndcg"),
    ],
)
def test_padding_changes_no_loss_and_no_gradient(chain, backbone, every_position: bool) -> None:
    chain_task = task(chain(users=30))
    network = dataclasses.replace(backbone, dropout=0.0).new_network(chain_task).train(every_position)
    examples = training_sequences(chain_task.data) if every_position else chain_task.data.validation()
    batch = ExampleDataset(examples, backbone.collator(chain_task, int(not every_position))).__getitems__([*range(20)])
    padded = pad_to_few_shapes(batch, chain_task.data.history)
    assert len(padded["items"]) > len(batch["items"])
    results = []
    for tensors in (batch, padded):
        network.zero_grad()
        loss = network(**tensors)["loss"]
        if loss.requires_grad:
            loss.backward()
        grads = [p.grad for p in network.parameters() if p.grad is not None]
        results.append([loss.detach(), *(grad.clone() for grad in grads)])
    assert float(results[0][0]) > 0
    torch.testing.assert_close(*results)


def test_swapped_neighbours() -> None:
    """The first draw says where the pairs begin, counted from the end; padding and single items keep their places."""
    items = np.array([[-1, 1, 2], [-1, 1, 2], [3, 4, 5], [3, 4, 5], [-1, -1, -1]])
    sequences = Examples(Histories(items, np.arange(5)), np.array([6, 6, 6, 6, 7]))
    draws = np.array([[0.9, 0.1, 0.1], [0.1, 0.1, 0.1], [0.9, 0.1, 0.8], [0.1, 0.3, 0.1], [0.9, 0.1, 0.1]])
    swapped = swap_neighbours(sequences, draws, 0.3)
    assert swapped.histories.items.tolist() == [[-1, 1, 6], [-1, 2, 1], [3, 4, 6], [3, 4, 5], [-1, -1, -1]]
    assert swapped.targets.tolist() == [2, 6, 5, 6, 7]
    assert sequences.targets.tolist() == [6, 6, 6, 6, 7], "the sequences themselves are as before"
