"""What is never recommended again: the items of a user's history (`--exclude-history`; docs/semantics.md, Decoding).

Items that share a semantic ID (SID) are one result, so a result is dropped only if every item with its SID is in the
history that the model sees. Rankers of items drop these items; searches drop what completes one of their SIDs, before
the last pruning, and under the catalogue constraint what can become nothing else, so that as many results remain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from .catalogue import CatalogueIndex, Int
from .code_space import MASK
from .dataset import Histories


@dataclass(frozen=True, eq=False)
class ExcludedItems:
    """The items that are never results, for a batch of users; of a SID, all items or none.

    Attributes:
        items: item indices, each once, -1 in the padding. Shape: (B, H), int64
        codes: their codes on the canvas, `MASK` in the padding. Shape: (B, H, T), int64
        n_categories: how many leading slots of the canvas are category slots; they don't count.
        n_codes: V, the largest vocabulary of all slots of the canvas.
    """

    items: Tensor
    codes: Tensor
    n_categories: int
    n_codes: int

    @classmethod
    def on_canvas(cls, items: Tensor, catalogue: Tensor, sizes: tuple[int, ...], n_categories: int) -> Self:
        """From item indices.

        Args:
            items: see `ExcludedItems`. Shape: (B, H), int64, on the device of the canvas
            catalogue: `Canvas.items`. Shape: (N, T), int64
            sizes: vocabulary size of each slot of the canvas.
            n_categories: how many of the slots are category slots.
        """
        return cls(items, catalogue[items.clamp(min=0)].where((items >= 0)[..., None], MASK), n_categories, max(sizes))

    @property
    def sids(self) -> Tensor:
        """The codes on the SID slots. Shape: (B, H, M)"""
        return self.codes[..., self.n_categories :]

    def among(self, n_items: int) -> Tensor:
        """Which items of the catalogue are excluded. Shape: (B, N), bool"""
        # Padding writes to one column too many, which is then dropped.
        excluded = torch.zeros(len(self.items), n_items + 1, dtype=torch.bool, device=self.items.device)
        return excluded.scatter_(1, self.items.where(self.items >= 0, n_items), True)[:, :-1]

    def allowed(self, codes: Tensor, slots: Tensor) -> Tensor:
        """Which codes do not complete an excluded SID. All, for a beam with more than one open SID slot.

        Args:
            codes: code indices, `MASK` where nothing is revealed. Shape: (B, K, T), int64
            slots: the slots of the canvas to fill, all of them SID slots. Shape: (S,), int64

        Returns:
            An entry for a slot that a beam has revealed is unspecified. Shape: (B, K, S, V), bool
        """
        revealed = codes[:, :, None, self.n_categories :]
        is_open = revealed == MASK
        completes = ((revealed == self.sids[:, None]) | is_open).all(dim=3) & (is_open.sum(dim=3) == 1)
        last = self.sids[:, None, :, slots - self.n_categories].mT
        column = last.where(completes[:, :, None] & (last >= 0), self.n_codes)
        mask = torch.ones(*column.shape[:3], self.n_codes + 1, dtype=torch.bool, device=codes.device)
        return mask.scatter_(3, column, False)[..., :-1]

    def matching(self, codes: Tensor) -> Tensor:
        """Which excluded items each beam can still become. Shape: (B, K, T) -> (B, K, H), bool"""
        states = codes[:, :, None]
        return ((states == self.codes[:, None]) | (states == MASK)).all(dim=3) & (self.items >= 0)[:, None]

    def count_by_code(self, codes: Tensor, slot: int) -> Tensor:
        """How many excluded items each beam can still become with each code of a slot that it has not revealed.

        Shape: (B, K, T) -> (B, K, V), int64
        """
        matching = self.matching(codes)
        column = self.codes[:, None, :, slot].expand_as(matching).where(matching, self.n_codes)
        counts = matching.new_zeros(*matching.shape[:2], self.n_codes + 1, dtype=torch.int64)
        return counts.scatter_add_(2, column, matching.long())[..., :-1]

    def count_by_choice(self, codes: Tensor, slots: Sequence[int], choices: Sequence[Tensor]) -> Tensor:
        """The same for joint choices: a code for each of some slots. Shapes: (B, K, T), (B, K, C) each -> (B, K, C)"""
        matches = self.matching(codes)[:, :, None]
        for slot, code in zip(slots, choices, strict=True):
            matches = matches & (code[..., None] == self.codes[:, None, None, :, slot])
        return matches.sum(dim=3)

    def contain(self, codes: Tensor) -> Tensor:
        """Which sequences have an excluded SID; one with an open SID slot has none. Shape: (B, K, T) -> (B, K), bool"""
        sids = codes[:, :, None, self.n_categories :]
        return ((sids == self.sids[:, None]) & (sids != MASK)).all(dim=3).any(dim=2)


def seen_items(histories: Histories, sid_index: CatalogueIndex) -> Int:
    """The history items whose results are excluded: those that share their SID with no item outside the history.

    Args:
        histories: as the model sees them.
        sid_index: the index of the data's SIDs.

    Returns:
        Item indices, each once, -1 for the others. Shape: (B, H)
    """
    items = histories.items
    sequences = np.where(items >= 0, sid_index.item_sequences[items], -1)
    equal_items = items[:, :, None] == items[:, None]
    counted_before = np.tril(equal_items, -1).any(axis=2)
    n_seen = ((sequences[:, :, None] == sequences[:, None]) & ~counted_before[:, None]).sum(axis=2)
    n_items = np.bincount(sid_index.item_sequences)[sequences]
    return np.where((items >= 0) & ~counted_before & (n_seen == n_items), items, -1)
