"""Which catalogue item has which codes: an index over the code sequences of a catalogue on some slots.

A sequence that several items share is one sequence; the distinct sequences are numbered in lexicographic order. A code
below 0 stands for a slot that is not filled.

This module imports no torch, so that metrics stay quick to import; `CatalogueIndex.posting_lists` does when it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .posting_lists import PostingLists

Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CatalogueIndex:
    """The distinct code sequences of a catalogue, and the items that have them.

    The codes of consecutive slots are packed into one key, as many as 63 bits hold. Where these are not all slots, the
    rank of a key among those of the catalogue stands for it in the key of the next slots, so no key overflows.

    Attributes:
        items: code indices of each item. Shape: (N, T)
        sizes: vocabulary size of each of the T slots.
    """

    items: Int
    sizes: tuple[int, ...]

    @cached_property
    def _groups(self) -> list[list[int]]:
        """The slots that are packed into one key, after the rank of the slots before them."""
        groups: list[list[int]] = []
        n_keys = 0
        for slot, size in enumerate(self.sizes):
            if not groups or n_keys * size >= 1 << 63:
                groups.append([])
                n_keys = len(self.items)
            groups[-1].append(slot)
            n_keys *= size
        return groups

    def _pack(self, ranks: Int, codes: Int, slots: list[int]) -> Int:
        """The keys of these slots; negative where a rank is. Shapes: (...), (..., T) -> (...)"""
        for slot in slots:
            ranks = ranks * self.sizes[slot] + codes[..., slot]
        return ranks

    @cached_property
    def _tables(self) -> tuple[list[Int], Int]:
        """For each group the keys of the catalogue, rising; and the sequence of each item, which is its rank in the
        last group. Shapes: (keys,) each, (N,)"""
        tables, ranks = [], np.zeros(len(self.items), dtype=np.int64)
        for slots in self._groups:
            table, ranks = np.unique(self._pack(ranks, self.items, slots), return_inverse=True)
            tables.append(table)
        return tables, ranks

    @property
    def n_sequences(self) -> int:
        """C, the number of distinct sequences."""
        return len(self._tables[0][-1])

    @property
    def item_sequences(self) -> Int:
        """The sequence of each item. Shape: (N,)"""
        return self._tables[1]

    @cached_property
    def first_items(self) -> Int:
        """The lowest item that has each sequence. Shape: (C,)"""
        return np.unique(self.item_sequences, return_index=True)[1]

    @cached_property
    def posting_lists(self) -> PostingLists:
        """For each slot and code the items that have it, to find the items that match a partly revealed sequence."""
        from .posting_lists import PostingLists

        return PostingLists(self.items, self.sizes)

    def find_sequences(self, codes: Int) -> Int:
        """The sequence that codes are, -1 where no item has them or a slot is not filled. Shape: (..., T) -> (...)"""
        ranks = np.zeros(codes.shape[:-1], dtype=np.int64)
        for slots, table in zip(self._groups, self._tables[0], strict=True):
            keys = self._pack(ranks, codes, slots)
            index = np.searchsorted(table, keys).clip(max=len(table) - 1)
            ranks = np.where(table[index] == keys, index, -1)
        in_vocabulary = ((codes >= 0) & (codes < self.sizes)).all(axis=-1)
        return np.where(in_vocabulary, ranks, -1)

    def find_items(self, codes: Int) -> Int:
        """The lowest item that has these codes, -1 where none has. Shape: (..., T) -> (...)"""
        return np.append(self.first_items, -1)[self.find_sequences(codes)]

    def number_sequences(self, codes: Int) -> Int:
        """Number any codes, those that no item has included, so that equal sequences have equal numbers.

        Args:
            codes: code indices. Shape: (..., T)

        Returns:
            The sequence of the catalogue (below C) where an item has the codes, a number from C on where none has, -1
            where a slot is not filled. Shape: (...)
        """
        numbers = self.find_sequences(codes)
        unknown = (numbers < 0) & (codes >= 0).all(axis=-1)
        if unknown.any():
            numbers[unknown] = self.n_sequences + CatalogueIndex(codes[unknown], self.sizes).item_sequences
        return numbers
