"""Which catalogue items fit what is revealed of a code sequence.

For each slot and code, a posting list of the items that have that code. The items that fit a state are found by walking
the shortest list among its revealed slots. Exact work on the CPU, vectorised over states.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .code_space import MASK


class Postings:
    """Posting lists over the code sequences of a catalogue.

    Args:
        items: code indices of each item. Shape: (N, T), int64
        sizes: vocabulary size of each slot.

    Attributes:
        columns: the items' codes in each slot. T of shape (N,)
        n_codes: V, the largest vocabulary.
    """

    def __init__(self, items: Tensor, sizes: Sequence[int]) -> None:
        # One more slot, in which all items have code 0 and which is always revealed: its list answers when nothing else
        # is.
        columns = [*items.T, items.new_zeros(len(items))]
        counts = [column.bincount(minlength=size) for column, size in zip(columns, (*sizes, 1), strict=True)]
        self.n_codes = max(sizes)
        self.columns = tuple(column.contiguous() for column in items.T)
        self._lists = torch.cat([column.argsort(stable=True) for column in columns])
        self._counts = torch.cat(counts)
        self._starts = self._counts.cumsum(0) - self._counts
        self._first_list = torch.tensor([0, *sizes]).cumsum(0)

    def fitting(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """All pairs of a state and an item that fits it.

        Args:
            states: code indices, `MASK` where nothing is revealed. Shape: (R, T), int64

        Returns:
            Row of `states` and item index of each pair, in the order of rows; a row's items come in rising order.
            Shapes: (P,), (P,), int64
        """
        codes = torch.cat([states, states.new_zeros(len(states), 1)], dim=1)
        lists = self._first_list + codes.clamp(min=0)
        lengths = self._counts[lists].where(codes != MASK, torch.iinfo(torch.int64).max)
        shortest = lists.gather(1, lengths.argmin(dim=1, keepdim=True))[:, 0]
        row, place = ragged(self._starts[shortest], self._counts[shortest])
        item = self._lists.index_select(0, place)
        for column, wanted in zip(self.columns, states.T, strict=True):
            if bool((wanted == MASK).all()):
                continue
            code = wanted.index_select(0, row)
            fits = (code == MASK) | (code == column.index_select(0, item))
            row, item = row[fits], item[fits]
        return row, item


def ragged(starts: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Lay ranges end to end: row and position of every element of [start, start + count). Shapes: (R,) -> (P,)"""
    ends = counts.cumsum(0)
    total = int(counts.sum())
    row = torch.arange(len(counts)).repeat_interleave(counts, output_size=total)
    return row, (starts - ends + counts).index_select(0, row).add_(torch.arange(total))
