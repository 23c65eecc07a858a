"""CodeSpace: the slots of the next item, their vocabularies, and the codes of every catalogue item (semantics: slots).

A target is T = L + M slots: L category slots, then M semantic-ID (SID) slots. Each slot has its own finite vocabulary,
the codes that occur in that slot anywhere in the catalogue, ordered by their number. Inside the project a code is its
index in its slot's vocabulary; files and people see its number.

Glossary used in every shape: B users, K beams, T slots of the canvas, S slots asked for, V the largest slot vocabulary,
N catalogue items, H history items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Categories = Literal["none", "history", "generate", "given"]


MASK = -1
"""The code index of a slot that is not revealed yet."""


def canvas_sizes(space: CodeSpace, slots: Sequence[int]) -> tuple[int, ...]:
    """Vocabulary sizes of the canvas made of these slots."""
    return tuple(np.asarray(space.sizes)[list(slots)].tolist())


Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CodeSpace:
    """The code vocabularies and the catalogue in them.

    Attributes:
        numbers: for each slot, its code numbers in rising order; code index i stands for number `numbers[slot][i]`.
        item_codes: code index of each item in each slot. Shape: (N, T)
        n_categories: L, how many leading slots are category slots (0 when categories are not used).
    """

    numbers: tuple[Int, ...]
    item_codes: Int
    n_categories: int

    @classmethod
    def build(cls, sids: Int, categories: Int | None = None) -> CodeSpace:
        """Index the codes of a catalogue.

        Args:
            sids: semantic-ID code numbers. Shape: (N, M)
            categories: category code numbers, or None to leave categories out. Shape: (N, L)
        """
        raw = sids if categories is None else np.concatenate([categories, sids], axis=1)
        columns = [np.unique(raw[:, slot], return_inverse=True) for slot in range(raw.shape[1])]
        return cls(
            numbers=tuple(values.astype(np.int64) for values, _ in columns),
            item_codes=np.stack([inverse.astype(np.int64) for _, inverse in columns], axis=1),
            n_categories=0 if categories is None else categories.shape[1],
        )

    @property
    def n_items(self) -> int:
        """N, the number of catalogue items."""
        return len(self.item_codes)

    @property
    def n_slots(self) -> int:
        """T, the number of slots."""
        return len(self.numbers)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Vocabulary size of each slot."""
        return tuple(len(values) for values in self.numbers)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each slot's codes start when all vocabularies are laid end to end; the last entry is the total."""
        return tuple(np.concatenate([[0], np.cumsum(self.sizes)]).tolist())

    @property
    def category_slots(self) -> tuple[int, ...]:
        """The leading category slots, coarse to fine."""
        return tuple(range(self.n_categories))

    @property
    def sid_slots(self) -> tuple[int, ...]:
        """The semantic-ID slots, left to right."""
        return tuple(range(self.n_categories, self.n_slots))

    @property
    def item_sids(self) -> Int:
        """SID code indices of every item. Shape: (N, M)"""
        return self.item_codes[:, self.n_categories :]

    @cached_property
    def sid_keys(self) -> Int:
        """One number per item that is equal exactly for items that share a SID. Shape: (N,)"""
        return self.sid_key(self.item_sids)

    def sid_key(self, sids: Int) -> Int:
        """Pack SID code indices into one number each (mixed radix). Shape: (..., M) -> (...)

        Codes below 0 (unfilled) give a key that equals no item's.
        """
        key = np.zeros(sids.shape[:-1], dtype=np.int64)
        for column, size in enumerate(self.sizes[self.n_categories :]):
            key = key * size + sids[..., column]
        return np.where((sids < 0).any(axis=-1), -1, key)

    @cached_property
    def _prefixes(self) -> list[Int]:
        """For each slot the keys of the catalogue's prefixes that end there: number of the prefix before, then code."""
        tables, before = [], np.zeros(self.n_items, dtype=np.int64)
        for slot, size in enumerate(self.sizes):
            keys, before = np.unique(before * size + self.item_codes[:, slot], return_inverse=True)
            tables.append(keys)
        return tables

    @cached_property
    def _first_item(self) -> Int:
        """The lowest item with each whole sequence of codes. Shape: (sequences,)"""
        return np.unique(self._prefix_number(self.item_codes), return_index=True)[1]

    def _prefix_number(self, codes: Int) -> Int:
        """Number of a whole sequence among the catalogue's, or how many there are. Shape: (..., T) -> (...)"""
        number = np.zeros(codes.shape[:-1], dtype=np.int64)
        for slot, keys in enumerate(self._prefixes):
            key = number * self.sizes[slot] + codes[..., slot]
            place = np.searchsorted(keys, key).clip(max=len(keys) - 1)
            real = (codes[..., slot] >= 0) & (codes[..., slot] < self.sizes[slot])
            number = np.where((keys[place] == key) & real, place, len(keys))
        return number

    def find(self, codes: Int) -> Int:
        """The item with these codes in all slots (the lowest, where several share them), -1 where there is none.

        Args:
            codes: code indices. Shape: (..., T)

        Returns:
            Item indices. Shape: (...)
        """
        return np.append(self._first_item, -1)[self._prefix_number(codes)]

    def to_numbers(self, codes: Int, slots: tuple[int, ...]) -> Int:
        """Code indices to code numbers, column c for slot slots[c]; -1 stays -1. Shape: (..., S) -> (..., S)"""
        columns = [np.where(codes[..., c] < 0, -1, self.numbers[slot][codes[..., c]]) for c, slot in enumerate(slots)]
        return np.stack(columns, axis=-1)

    def from_numbers(self, numbers: Int, slots: tuple[int, ...]) -> Int:
        """Code numbers to code indices, -1 for a number the slot does not have. Shape: (..., S) -> (..., S)"""
        columns = []
        for c, slot in enumerate(slots):
            index = np.searchsorted(self.numbers[slot], numbers[..., c]).clip(max=self.sizes[slot] - 1)
            columns.append(np.where(self.numbers[slot][index] == numbers[..., c], index, -1))
        return np.stack(columns, axis=-1)


def canvas_slots(space: CodeSpace, categories: Categories) -> tuple[int, ...]:
    """The slots whose codes a run's rankings hold: under `history` the category slots are not among them."""
    return space.sid_slots if categories == "history" else tuple(range(space.n_slots))
