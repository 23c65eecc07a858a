"""The slots of the next item, their code vocabularies, and the codes of every catalogue item.

A target is T = L + M slots: L category slots, then M semantic-ID (SID) slots. Each slot has its own finite vocabulary:
the codes that occur in that slot anywhere in the catalogue, in rising order of their numbers. Inside the package a code
is its index in its slot's vocabulary; files and output show its number (docs/semantics.md, Slots).

Symbols in the shapes: B users, K beams, T slots of the canvas, S requested slots, V the largest slot vocabulary,
N catalogue items, H history items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .catalogue import CatalogueIndex, Int
from .choices import Categories

MASK = -1
"""The code index of a slot that is not revealed yet."""


@dataclass(frozen=True, eq=False)
class CodeSpace:
    """The code vocabulary of each slot, and the catalogue's items as codes.

    Attributes:
        numbers: for each slot, its code numbers in rising order; code index i stands for number `numbers[slot][i]`.
        item_codes: code index of each item in each slot. Shape: (N, T)
        n_categories: L, the number of leading category slots (0 when categories are not used).
    """

    numbers: tuple[Int, ...]
    item_codes: Int
    n_categories: int
    _indexes: dict[tuple[int, ...], CatalogueIndex] = field(default_factory=dict, init=False, repr=False)

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
    def sid_sizes(self) -> tuple[int, ...]:
        """Vocabulary size of each semantic-ID slot."""
        return self.sizes[self.n_categories :]

    @property
    def item_sids(self) -> Int:
        """SID code indices of every item. Shape: (N, M)"""
        return self.item_codes[:, self.n_categories :]

    def canvas_slots(self, categories: Categories) -> tuple[int, ...]:
        """The slots that a decoder fills: all, but under `history` the SID slots only."""
        return self.sid_slots if categories == "history" else tuple(range(self.n_slots))

    def canvas_sizes(self, slots: Sequence[int]) -> tuple[int, ...]:
        """Vocabulary sizes of a canvas of these slots."""
        return tuple(self.sizes[slot] for slot in slots)

    def index(self, slots: tuple[int, ...]) -> CatalogueIndex:
        """The index over the items' codes on these slots; made once."""
        if slots not in self._indexes:
            self._indexes[slots] = CatalogueIndex(self.item_codes[:, list(slots)], self.canvas_sizes(slots))
        return self._indexes[slots]

    @property
    def sid_index(self) -> CatalogueIndex:
        """The index over the items' semantic IDs: items that share a SID share a sequence."""
        return self.index(self.sid_slots)

    def find(self, codes: Int) -> Int:
        """The item with these codes in all slots (the lowest, where several share them), -1 where there is none.

        Args:
            codes: code indices. Shape: (..., T)

        Returns:
            Item indices. Shape: (...)
        """
        return self.index(tuple(range(self.n_slots))).find_items(codes)

    def to_numbers(self, codes: Int, slots: Sequence[int]) -> Int:
        """Code indices to code numbers, column c for slot slots[c]; -1 stays -1. Shape: (..., S) -> (..., S)"""
        columns = [np.where(codes[..., c] < 0, -1, self.numbers[slot][codes[..., c]]) for c, slot in enumerate(slots)]
        return np.stack(columns, axis=-1)

    def from_numbers(self, numbers: Int, slots: Sequence[int]) -> Int:
        """Code numbers to code indices, -1 for a number the slot does not have. Shape: (..., S) -> (..., S)"""
        columns = []
        for c, slot in enumerate(slots):
            index = np.searchsorted(self.numbers[slot], numbers[..., c]).clip(max=self.sizes[slot] - 1)
            columns.append(np.where(self.numbers[slot][index] == numbers[..., c], index, -1))
        return np.stack(columns, axis=-1)
