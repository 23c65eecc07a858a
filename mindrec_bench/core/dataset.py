"""Dataset: users' sequences and the catalogue, and the leave-one-out split (semantics: users, split).

Sequences are ragged: user u's items are `items[offsets[u]:offsets[u + 1]]`, in time order. The last is the test target,
the last but one the validation target, the rest trains.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..io.hashing import short_hash
from .code_space import CodeSpace, Int

Split = Literal["test", "valid"]
"""Which held-out items are the targets."""


@dataclass(frozen=True, eq=False)
class Histories:
    """The latest H items of a batch of users.

    Attributes:
        items: item indices, the latest on the right, -1 before the first. Shape: (B, H)
        users: user ids. Shape: (B,)
    """

    items: Int
    users: Int

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, rows: Any) -> Histories:
        return Histories(self.items[rows], self.users[rows])


HISTORY = 10
"""How many latest items a history keeps."""

MIN_INTERACTIONS = 3
"""Fewer can't be split into training, validation and test."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Histories and the item that came next. Shapes: (E, H) and (E,)"""

    histories: Histories
    targets: Int

    def __len__(self) -> int:
        return len(self.targets)


class TrueDistribution(Protocol):
    """The distribution that simulated users draw their next items from."""

    def log_probs(self, histories: Int) -> NDArray[np.float64]:
        """log p*(item | history), normalised over the catalogue.

        Args:
            histories: item indices, the latest on the right, -1 before the first. Shape: (B, H)

        Returns:
            Shape: (B, N)
        """
        ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Users' sequences over a catalogue.

    Attributes:
        name: the folder's or the simulation's name.
        users: user ids in rising order. Shape: (U,)
        offsets: where each user's sequence starts; one more entry than users. Shape: (U + 1,)
        items: item indices, all sequences end to end. Shape: (interactions,)
        item_ids: the item id in the files of each item index, in rising order. Length N.
        sids: semantic-ID code numbers. Shape: (N, M)
        categories: category code numbers, or None where the data has no categories. Shape: (N, L)
        fingerprint: hash of everything above; part of every run's identity.
        skipped: users left out because they have fewer than 3 interactions.
        without_categories: items whose categories are missing or empty.
        category_notes: facts about the categories to show beside results that use them (imputed ones, say).
        simulation: the process that made the data, where it was simulated.
        read_texts: reads what the items are called; see `texts`.
        read_own_ids: reads what users and items were called before an import; see `external_ids`.
    """

    name: str
    users: Int
    offsets: Int
    items: Int
    item_ids: list[str]
    sids: Int
    categories: Int | None
    fingerprint: str
    skipped: int = 0
    without_categories: int = 0
    category_notes: tuple[str, ...] = ()
    simulation: TrueDistribution | None = field(default=None, repr=False)
    read_texts: Callable[[], ItemTexts | None] = field(default=lambda: None, repr=False)
    read_external_ids: Callable[[], ExternalIds | None] = field(default=lambda: None, repr=False)

    @cached_property
    def texts(self) -> ItemTexts | None:
        """What the items are called, read when first asked for; None where the data has no item texts.

        Raises:
            DataError: the file of texts is broken.
        """
        return self.read_texts()

    @cached_property
    def external_ids(self) -> ExternalIds | None:
        """The users' and items' ids in the files that the data was imported from; None where it was not imported.

        Raises:
            DataError: a file of ids is broken.
        """
        return self.read_external_ids()

    def named_texts(self, reader: str) -> ItemTexts:
        """The texts, for a model that needs to know what items are called.

        Args:
            reader: who asks, for the message.

        Raises:
            DataError: no item has a title or a description, or the file of texts is broken.
        """
        if self.texts is None or not self.texts.named:
            raise DataError(
                f"{reader} reads what items are called, and no item of {self.name} has a title or a description; "
                f"add them to {self.name}.item.json, or use other data"
            )
        return self.texts

    @property
    def n_users(self) -> int:
        """Users with at least 3 interactions."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """N, the catalogue's size."""
        return len(self.item_ids)

    @cached_property
    def interactions(self) -> str:
        """SHA-256 (hex) over who had which items in what order, whatever codes the items have.

        Where it is equal, runs have the same users and targets, and can be compared user by user.
        """
        touched, place = np.unique(self.items, return_inverse=True)
        digest = hashlib.sha256(json.dumps([self.item_ids[item] for item in touched]).encode())
        for array in (self.users, self.offsets, place):
            digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        return digest.hexdigest()

    def space(self, *, categories: bool) -> CodeSpace:
        """The slots of the next item, with or without category slots."""
        return CodeSpace.build(self.sids, self.categories if categories else None)

    @cached_property
    def _owner(self) -> Int:
        """The user index of each interaction. Shape: (interactions,)"""
        return np.repeat(np.arange(self.n_users), np.diff(self.offsets))

    def _before(self, positions: Int, starts: Int, users: Int) -> Histories:
        """The up to `HISTORY` items before each position of `items`, not reaching back past `starts`."""
        steps = positions[:, None] - np.arange(HISTORY, 0, -1)
        inside = steps >= starts[:, None]
        return Histories(np.where(inside, self.items[steps.clip(min=0)], -1), users)

    def train_examples(self) -> Examples:
        """Every item from the 2nd on in the training parts, with the items before it. In user, then time order."""
        position = np.arange(len(self.items))
        start, end = self.offsets[self._owner], self.offsets[self._owner + 1]
        at = position[(position > start) & (position < end - 2)]
        owner = self._owner[at]
        return Examples(self._before(at, self.offsets[owner], self.users[owner]), self.items[at])

    def held_out(self, split: str) -> Examples:
        """Each user's held-out item: `valid` or `test`."""
        return self.validation() if split == "valid" else self.test()

    def validation(self) -> Examples:
        """Each user's last but one item, with the items before it."""
        return self._nth_last(2)

    def test(self) -> Examples:
        """Each user's last item, with the items before it (the validation item included)."""
        return self._nth_last(1)

    def _nth_last(self, from_end: int) -> Examples:
        at = self.offsets[1:] - from_end
        return Examples(self._before(at, self.offsets[:-1], self.users), self.items[at])

    @cached_property
    def in_training(self) -> np.ndarray:
        """Which interactions are in the training parts. Shape: (interactions,), bool"""
        return np.arange(len(self.items)) < self.offsets[self._owner + 1] - 2

    def train_counts(self) -> Int:
        """How often each item occurs in the training parts. Shape: (N,)"""
        return np.bincount(self.items[self.in_training], minlength=self.n_items)

    def train_pairs(self) -> tuple[Int, Int]:
        """Neighbours (a, b) in the training parts, b right after a. Shapes: (P,), (P,)"""
        second = self.in_training.copy()
        second[self.offsets[:-1]] = False
        at = np.flatnonzero(second)
        return self.items[at - 1], self.items[at]


@dataclass(frozen=True, eq=False)
class ItemTexts:
    """The text fields of N items, in the order of the catalogue; an empty string where a field is missing.

    Attributes:
        title, description, brand: as written. Length N each.
        categories: the category path as one string, as in the files. Length N.
    """

    title: tuple[str, ...]
    description: tuple[str, ...]
    brand: tuple[str, ...]
    categories: tuple[str, ...]

    @property
    def named(self) -> int:
        """How many items have a title or a description: text of their own."""
        return sum(bool(title or words) for title, words in zip(self.title, self.description, strict=True))

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits that are equal exactly for equal texts; part of the identity of runs that read them."""
        return short_hash(asdict(self))


@dataclass(frozen=True, eq=False)
class ExternalIds:
    """Own ids in the order of a dataset.

    Attributes:
        users: of each user. Length U
        items: of each catalogue item. Length N
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
