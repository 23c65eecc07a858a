"""Users' interaction sequences over a catalogue of items, and their split (docs/semantics.md, Data).

Sequences are ragged: the items of user u are `items[offsets[u]:offsets[u + 1]]`, in time order. Unless they are split
by time (`holdout.py`), the last item is the test target, the one before it the validation target, and the items before
both are the training part.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..io.hashing import short_hash
from .choices import HISTORY, Split
from .code_space import CodeSpace, Int
from .holdout import LAST_ITEMS, Holdout, SplitPositions, leave_one_out, split_by_time
from .times import Times

MIN_INTERACTIONS = 3
"""The shortest sequence that can be split into training, validation and test."""


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


@dataclass(frozen=True, eq=False)
class Examples:
    """Histories and the item that came next.

    Attributes:
        histories: of E examples; a user may have several.
        targets: the next items. Shape: (E,)
    """

    histories: Histories
    targets: Int

    def __len__(self) -> int:
        return len(self.targets)


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
    def n_described(self) -> int:
        """How many items have a title or a description."""
        return sum(bool(title or text) for title, text in zip(self.title, self.description, strict=True))

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits, equal exactly for equal texts; part of the identity of runs that read them."""
        return short_hash(asdict(self))


@dataclass(frozen=True, eq=False)
class ExternalIds:
    """The ids that users and items had in the files that a dataset was imported from.

    Attributes:
        users: in the order of the dataset's users. Length U
        items: in the order of the catalogue. Length N
    """

    users: tuple[str, ...]
    items: tuple[str, ...]


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
        name: of the data folder or the simulation.
        users: user ids in rising order. Shape: (U,)
        offsets: where each user's sequence starts, and the end of the last. Shape: (U + 1,)
        items: item indices, all sequences end to end. Shape: (interactions,)
        item_ids: the item id in the files of each item index, in rising order. Length N.
        sids: semantic-ID code numbers; where the data has none, one number for each item. Shape: (N, M)
        categories: category code numbers, or None where the data has no categories. Shape: (N, L)
        fingerprint: hash of everything above; part of every run's identity.
        file_counts: users, catalogue items and interactions of the whole file that the data was read from.
        skipped: how many users were left out because they have fewer than `MIN_INTERACTIONS` interactions.
        without_categories: how many items have missing or empty categories.
        category_notes: facts about the categories to show beside results that use them, such as imputed ones.
        notes: other facts to show beside results.
        has_sids: False where the data has no semantic IDs; a hit is then a match of items.
        history: how many items a history keeps, the latest ones.
        holdout: what is held out.
        simulation: the distribution that the data was drawn from, where it was simulated.
        read_times: reads when the interactions happened; see `times`.
        read_texts: reads the item texts; see `texts`.
        read_external_ids: reads the ids from before an import; see `external_ids`.
    """

    name: str
    users: Int
    offsets: Int
    items: Int
    item_ids: list[str]
    sids: Int
    categories: Int | None
    fingerprint: str
    file_counts: tuple[int, int, int] = (0, 0, 0)
    skipped: int = 0
    without_categories: int = 0
    category_notes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    has_sids: bool = True
    history: int = HISTORY
    holdout: Holdout = LAST_ITEMS
    simulation: TrueDistribution | None = field(default=None, repr=False)
    read_times: Callable[[], Times | None] = field(default=lambda: None, repr=False)
    read_texts: Callable[[], ItemTexts | None] = field(default=lambda: None, repr=False)
    read_external_ids: Callable[[], ExternalIds | None] = field(default=lambda: None, repr=False)

    @property
    def n_users(self) -> int:
        """U, the number of users."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """N, the catalogue's size."""
        return len(self.item_ids)

    def with_split(self, holdout: Holdout, history: int) -> Dataset:
        """The same interactions with another split or longer histories; call it on data as a source has loaded it.

        Args:
            holdout: what is held out.
            history: how many items a history keeps.

        Raises:
            DataError: a split by time of data without times, at a date though they are no dates, or with an empty part.
        """
        data = self if history == self.history else replace(self, history=history)
        if not holdout.by_time:
            return data
        self.require_times(f"--holdout {holdout}")
        data = replace(data, holdout=holdout)
        positions = data.split
        digest = hashlib.sha256(self.fingerprint.encode())
        for array in (positions.train_ends, positions.valid, positions.test):
            digest.update(f"{array.shape};".encode() + np.ascontiguousarray(array, dtype="<i8").tobytes())
        return replace(data, fingerprint=digest.hexdigest(), notes=(*data.notes, *positions.notes))

    @cached_property
    def times(self) -> Times | None:
        """When the interactions happened, read on first use; None where the data has no times.

        Raises:
            DataError: the file of times is broken, or does not fit the interactions.
        """
        return self.read_times()

    def require_times(self, what: str) -> Times:
        """The times, for what can't be done without them.

        Args:
            what: needs them, for the message.

        Raises:
            DataError: the data has none, or their file is broken.
        """
        if self.times is None:
            raise DataError(
                f"{what} needs the times of the interactions, and {self.name} has only their order; import data with a "
                "column of times (`mrbench data import`), or use --holdout leave-one-out"
            )
        return self.times

    @cached_property
    def user_of(self) -> Int:
        """The user index of each interaction. Shape: (interactions,)"""
        return np.repeat(np.arange(self.n_users), np.diff(self.offsets))

    def space(self, *, categories: bool) -> CodeSpace:
        """The slots of the next item, with or without category slots."""
        return CodeSpace.build(self.sids, self.categories if categories else None)

    @cached_property
    def interactions_hash(self) -> str:
        """SHA-256 (hex) over which user had which items in what order, whatever codes the items have.

        Where it is equal, runs have the same users and targets, and can be compared user by user.
        """
        distinct, index = np.unique(self.items, return_inverse=True)
        digest = hashlib.sha256(json.dumps([self.item_ids[item] for item in distinct]).encode())
        for array in (self.users, self.offsets, index):
            digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        if self.holdout.by_time:
            digest.update(self.fingerprint.encode())  # other times would be another split
        return digest.hexdigest()

    @cached_property
    def texts(self) -> ItemTexts | None:
        """The items' titles and other texts, read on first use; None where the data has none.

        Raises:
            DataError: the file of texts is broken.
        """
        return self.read_texts()

    def require_texts(self, reader: str) -> ItemTexts:
        """The item texts, for a model that can't do without them.

        Args:
            reader: what needs them, for the message.

        Raises:
            DataError: no item has a title or a description, or the file of texts is broken.
        """
        if self.texts is None or not self.texts.n_described:
            raise DataError(
                f"{reader} reads item texts, and no item of {self.name} has a title or a description; "
                f"add them to {self.name}.item.json, or use other data"
            )
        return self.texts

    @cached_property
    def external_ids(self) -> ExternalIds | None:
        """The ids in the files that the data was imported from, read on first use; None where it was not imported.

        Raises:
            DataError: a file of ids is broken.
        """
        return self.read_external_ids()

    def train_examples(self) -> Examples:
        """Every item from the second on in the training parts, with the items before it. In user, then time order."""
        position = np.arange(len(self.items))
        targets = position[(position > self.offsets[self.user_of]) & self.in_training]
        user = self.user_of[targets]
        return Examples(self._histories(targets, self.offsets[user], self.users[user]), self.items[targets])

    def validation(self) -> Examples:
        """The validation targets (by default each user's last item but one), with the items before them."""
        return self._held_out(self.split.valid)

    def test(self) -> Examples:
        """The test targets (by default each user's last item), with the items before them, validation included."""
        return self._held_out(self.split.test)

    def held_out(self, split: Split) -> Examples:
        """The held-out items of a split: `valid` or `test`."""
        return self.validation() if split == "valid" else self.test()

    def n_held_out(self, split: Split) -> int:
        """How many users have a target in a split."""
        return len(self.split.valid if split == "valid" else self.split.test)

    @cached_property
    def split(self) -> SplitPositions:
        """Where the sequences are cut.

        Raises:
            DataError: see `with_split`.
        """
        if not self.holdout.by_time:
            return leave_one_out(self.offsets)
        times = self.require_times(f"--holdout {self.holdout}")
        return split_by_time(self.holdout, self.offsets, times, self.name)

    @cached_property
    def in_training(self) -> np.ndarray:
        """Which interactions are in the training parts. Shape: (interactions,), bool"""
        return np.arange(len(self.items)) < self.split.train_ends[self.user_of]

    def train_counts(self) -> Int:
        """How often each item occurs in the training parts. Shape: (N,)"""
        return np.bincount(self.items[self.in_training], minlength=self.n_items)

    def train_pairs(self) -> tuple[Int, Int]:
        """Neighbours (a, b) in the training parts, b right after a. Shapes: (P,), (P,)"""
        is_second = self.in_training.copy()
        is_second[self.offsets[:-1]] = False
        second = np.flatnonzero(is_second)
        return self.items[second - 1], self.items[second]

    def _held_out(self, targets: Int) -> Examples:
        user = self.user_of[targets]
        return Examples(self._histories(targets, self.offsets[user], self.users[user]), self.items[targets])

    def _histories(self, targets: Int, starts: Int, users: Int) -> Histories:
        """The up to `history` items before each position of `items`, not reaching back past `starts`."""
        positions = targets[:, None] - np.arange(self.history, 0, -1)
        inside = positions >= starts[:, None]
        return Histories(np.where(inside, self.items[positions.clip(min=0)], -1), users)
