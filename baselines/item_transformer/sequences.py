"""Training on whole sequences: every item of a user's training part is predicted from the items before it, at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import Dataset, Examples, Histories

Float = NDArray[np.float64]

IGNORED = -100
"""The label of padding: `torch.nn.functional.cross_entropy` leaves it out."""

PARTS = 16
"""Where shapes are to be few, a batch has a multiple of this part of its grid's positions: at most so many shapes."""


def training_sequences(data: Dataset, *, validation_items: bool = False) -> Examples:
    """The training parts as sequences: a history of up to H items and the item after it, one sequence for most users.

    A training part of more than H + 1 items is cut into several sequences, counted from its end. Each starts with the
    last item of the one before it, so that every item but a user's first is predicted exactly once.

    Args:
        data: H is its `history`.
        validation_items: a training part also includes the user's validation item.

    Returns:
        In the order of users, the latest sequence of a user last.
    """
    examples = data.train_examples()
    if validation_items:
        examples = _by_user(examples, data.validation())
    users = examples.histories.users
    ends = np.searchsorted(users, users, side="right")
    last = (ends - 1 - np.arange(len(users))) % data.history == 0
    return Examples(examples.histories[last], examples.targets[last])


def _by_user(first: Examples, second: Examples) -> Examples:
    """The examples of both in the order of users, those of `second` after a user's others."""
    users = np.concatenate([first.histories.users, second.histories.users])
    order = np.argsort(users, kind="stable")
    items = np.concatenate([first.histories.items, second.histories.items])[order]
    return Examples(Histories(items, users[order]), np.concatenate([first.targets, second.targets])[order])


def swap_neighbours(sequences: Examples, draws: Float, probability: float) -> Examples:
    """The sequences with some neighbours in each other's place: where the order within a day is unknown, so is this.

    A sequence is divided into pairs of neighbours, from its end or from its last item but one; each pair is swapped or
    not. The target is part of the sequence.

    Args:
        sequences: see `training_sequences`; b of them.
        draws: uniform numbers in [0, 1): where the pairs begin, then one for each pair. Shape: (b, 1 + (H + 1) // 2)
        probability: that a pair is swapped.
    """
    items = np.concatenate([sequences.histories.items, sequences.targets[:, None]], axis=1)
    second = items.shape[1] - 1 - (draws[:, :1] < 0.5) - 2 * np.arange(draws.shape[1] - 1)
    full = (second > 0) & (np.take_along_axis(items, (second - 1).clip(min=0), axis=1) >= 0)
    row, pair = np.nonzero(full & (draws[:, 1:] < probability))
    right = second[row, pair]
    items[row, right], items[row, right - 1] = items[row, right - 1], items[row, right]
    return Examples(Histories(items[:, :-1], sequences.histories.users), items[:, -1])


@dataclass(frozen=True, eq=False)
class PackedItems:
    """The items of b histories end to end, and where they are on a grid with one row a history, padding behind.

    All that a network computes for one position alone it computes for the items, without padding. Attention runs on the
    grid: under a causal mask nothing attends to padding that comes later, so that no other mask is needed.

    Attributes:
        items: -1 for a history without items, which has one position all the same. Shape: (m,)
        places: of each item in the flattened grid. Shape: (m,)
        lengths: positions of each history, at least 1. Shape: (b,)
    """

    items: Int
    places: Int
    lengths: Int

    @classmethod
    def pack(cls, items: Int) -> PackedItems:
        """Pack histories, which have -1 in the padding before their items. Shape: (b, H)"""
        lengths = (items >= 0).sum(axis=1).clip(min=1)
        column = np.arange(items.shape[1])
        used = column >= items.shape[1] - lengths[:, None]
        longest = int(lengths.max(initial=1))
        on_grid = np.arange(longest) < lengths[:, None]
        return cls(items[used], np.flatnonzero(on_grid), lengths)

    @property
    def ends(self) -> Int:
        """The position of each history's last item among the items. Shape: (b,)"""
        return np.cumsum(self.lengths) - 1

    def tensors(self) -> dict[str, Tensor]:
        """`items`, `places`, and `grid`, an empty tensor of shape (b, n, 0): a shape that needs no wait for a GPU."""
        grid = torch.empty(len(self.lengths), int(self.lengths.max(initial=1)), 0)
        return {"grid": grid, "items": torch.from_numpy(self.items), "places": torch.from_numpy(self.places)}


def last_states(states: Callable[..., Tensor], histories: Histories, device: torch.device) -> Tensor:
    """A network's hidden states at the last items of histories.

    Args:
        states: the network's, from the tensors of `PackedItems.tensors`. Shape: (m, hidden)
        histories: of b users.
        device: the network's.

    Returns:
        Shape: (b, hidden)
    """
    packed = PackedItems.pack(histories.items)
    tensors = {name: tensor.to(device) for name, tensor in packed.tensors().items()}
    return states(**tensors).index_select(0, torch.from_numpy(packed.ends).to(device))


def next_item_batch(examples: Examples, *, every_position: bool) -> dict[str, Tensor]:
    """Packed histories, at which of their items a prediction is made, and the items to predict there.

    Args:
        examples: histories and the items after them.
        every_position: also predict the items of the histories, each from those before it, but the first.

    Returns:
        Those of `PackedItems.tensors`; `predicted`, positions among the items, shape (p,); `labels`, shape (p,).
    """
    packed = PackedItems.pack(examples.histories.items)
    labels = np.append(packed.items[1:], -1)
    labels[packed.ends] = examples.targets
    predicted = np.arange(len(labels)) if every_position else packed.ends
    arrays = {"predicted": predicted, "labels": labels[predicted]}
    return packed.tensors() | {name: torch.from_numpy(array) for name, array in arrays.items()}


def pad_to_few_shapes(batch: dict[str, Tensor], width: int) -> dict[str, Tensor]:
    """A batch of `next_item_batch` with padding, so that batches of b histories have few shapes: a GPU captures each.

    The grid gets rows of `width` places, and packed items without a history get places behind a history's own, where
    nothing attends to them; their label is `IGNORED`.

    Args:
        batch: of b histories, m positions.
        width: the longest history of all batches.

    Returns:
        The same tensors; m is rounded up to a multiple of b * width / `PARTS`, and so is the number of predictions
        where there is one for every position.
    """
    rows, longest = batch["grid"].shape[:2]
    positions = len(batch["items"])
    part = -(-rows * width // PARTS)
    padding = min(-positions % part, rows * width - positions)
    places = batch["places"] // longest * width + batch["places"] % longest
    unused = torch.ones(rows * width, dtype=torch.bool)
    unused[places] = False
    padded = batch | {
        "grid": batch["grid"].new_empty(rows, width, 0),
        "items": functional.pad(batch["items"], (0, padding), value=-1),
        "places": torch.cat([places, unused.nonzero()[:padding, 0]]),
    }
    if len(batch["predicted"]) > rows:  # one for every position
        padded["predicted"] = torch.arange(positions + padding)
        padded["labels"] = functional.pad(batch["labels"], (0, padding), value=IGNORED)
    return padded
