"""Which catalogue items match a partly revealed code sequence.

For each slot and code, a posting list of the items that have that code. The items that match a state are found by
walking the shortest list among its revealed slots. Exact work on the CPU, vectorised over states.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class PostingLists:
    """Posting lists over the code sequences of a catalogue; from `CatalogueIndex.posting_lists`.

    Args:
        items: code indices of each item. Shape: (N, T)
        sizes: vocabulary size of each slot.

    Attributes:
        columns: the items' codes in each slot. T of shape (N,), int64
        n_codes: V, the largest vocabulary.
    """

    def __init__(self, items: NDArray[np.int64], sizes: Sequence[int]) -> None:
        # One more slot, in which all items have code 0 and which is always revealed: its list is the one that is walked
        # where nothing else is revealed.
        columns = [*torch.from_numpy(items).T, torch.zeros(len(items), dtype=torch.int64)]
        counts = [column.bincount(minlength=size) for column, size in zip(columns, (*sizes, 1), strict=True)]
        self.n_codes = max(sizes)
        self.columns = tuple(column.contiguous() for column in columns[:-1])
        self._items = torch.cat([column.argsort(stable=True) for column in columns])
        self._counts = torch.cat(counts)
        self._starts = self._counts.cumsum(0) - self._counts
        self._slot_starts = torch.tensor([0, *sizes]).cumsum(0)

    def matching_items(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """All pairs of a state and an item that matches it.

        Args:
            states: code indices, below 0 where nothing is revealed. Shape: (R, T), int64

        Returns:
            Row of `states` and item index of each pair, in the order of rows; a row's items come in rising order.
            Shapes: (P,), (P,), int64
        """
        codes = torch.cat([states, states.new_zeros(len(states), 1)], dim=1)
        lists = self._slot_starts + codes.clamp(min=0)
        lengths = self._counts[lists].where(codes >= 0, torch.iinfo(torch.int64).max)
        shortest = lists.gather(1, lengths.argmin(dim=1, keepdim=True))[:, 0]
        row, position = concatenate_ranges(self._starts[shortest], self._counts[shortest])
        item = self._items.index_select(0, position)
        for column, state_codes in zip(self.columns, states.T, strict=True):
            if bool((state_codes < 0).all()):
                continue
            code = state_codes.index_select(0, row)
            matches = (code < 0) | (code == column.index_select(0, item))
            row, item = row[matches], item[matches]
        return row, item


def concatenate_ranges(starts: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Lay ranges end to end: row and value of every element of [start, start + count). Shapes: (R,) -> (P,)"""
    ends = counts.cumsum(0)
    total = int(counts.sum())
    row = torch.arange(len(counts)).repeat_interleave(counts, output_size=total)
    return row, (starts - ends + counts).index_select(0, row).add_(torch.arange(total))
