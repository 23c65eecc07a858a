"""What a fitted network of `llada` answers, each thing computed once (see `llama_blocks`).

On a CPU, users whose histories have the same length are read together, without padding and without a mask, and beams
that are equal are read once. On a GPU both would need its answer before the next step, so there all users are read at
once, cut to the longest history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mindrec_bench.core.dataset import HISTORY, Histories

from ..common.vocabulary import slot_log_probs
from .llama_blocks import KeysValues, LlamaBlocks
from .masked_lm import MaskedCodeLM


@dataclass(frozen=True, eq=False)
class HistoryBatch:
    """Users of a batch who are read together.

    Attributes:
        rows: which users. Shape: (R,)
        seen: False in the padding; None: there is none. Shape: (R, h), bool
        history: their embedded items. Shape: (R, h, hidden)
        first: what the first layer makes of these. Shape: (R, h, 3 heads, hidden / heads)
        read: keys and values of a history that attends to itself only; None where it attends to the canvas too.
    """

    rows: Tensor
    seen: Tensor | None
    history: Tensor
    first: Tensor
    read: KeysValues | None


def read(network: MaskedCodeLM, blocks: LlamaBlocks, histories: Histories) -> list[HistoryBatch]:
    """Read the histories of a batch, in groups."""
    device = network.offsets.device
    lengths = (histories.items >= 0).sum(axis=1)
    groups = [np.arange(len(lengths))]
    if device.type == "cpu":
        groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    readers = []
    for rows in groups:
        longest = int(lengths[rows].max(initial=0))
        items = torch.from_numpy(histories.items[rows, HISTORY - longest :]).to(device)
        seen = items >= 0 if (lengths[rows] < longest).any() else None
        history, numbers = network.embed_items(items), torch.arange(HISTORY - longest, HISTORY, device=device)
        alone = blocks.read(history, numbers, seen) if network.attention == "prefix" else None
        first = blocks.project(0, history, numbers)
        readers.append(HistoryBatch(torch.from_numpy(rows).to(device), seen, history, first, alone))
    return readers


@dataclass(frozen=True, eq=False)
class MaskedInference:
    """Answers for one batch of users.

    Attributes:
        network: in evaluation mode.
        blocks: its blocks.
        readers: all users of the batch, in groups.
        canvas: the slots of the space on the canvas. Shape: (T,)
        columns, numbers: 0 to T - 1; and to HISTORY - 1, the numbers of a history's positions.
        places: where their codes are in the vocabulary, -1 beyond a slot's last one. Shape: (T, V)
    """

    network: MaskedCodeLM
    blocks: LlamaBlocks
    readers: list[HistoryBatch]
    canvas: Tensor
    columns: Tensor
    numbers: Tensor
    places: Tensor

    @classmethod
    def begin(cls, network: MaskedCodeLM, blocks: LlamaBlocks, histories: Histories, slots: tuple[int, ...]) -> Self:
        """Read histories once. `slots`: the slots of the space that are in the input at all."""
        device = network.offsets.device
        with torch.no_grad():
            readers = read(network, blocks, histories)
        canvas, columns = torch.tensor(slots, device=device), torch.arange(len(slots), device=device)
        numbers = torch.arange(HISTORY, device=device)
        return cls(network, blocks, readers, canvas, columns, numbers, network.places(slots))

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """log p(code in slot | history, revealed), normalised over the code vocabulary of all slots.

        Args:
            revealed: code indices, -1 where nothing is revealed. Shape: (B, K, T)
            slots: columns of the canvas to answer; an entry for a slot that a beam has revealed is unspecified.

        Returns:
            -inf outside a slot's own codes. Shape: (B, K, S, V), float32
        """
        with torch.no_grad():
            if len(self.readers) == 1:
                return self._of(self.readers[0], revealed, slots)
            answers = self.places.new_empty(
                (*revealed.shape[:2], len(slots), self.places.shape[1]), dtype=torch.float32
            )
            for readers in self.readers:
                answers[readers.rows] = self._of(readers, revealed[readers.rows], slots)
            return answers

    def _of(self, readers: HistoryBatch, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """The answers for one group."""
        users, beams, _ = revealed.shape
        owner = torch.arange(users, device=revealed.device).repeat_interleave(beams)
        codes = revealed.flatten(0, 1)
        if revealed.device.type == "cpu" and beams > 1:
            both, again = torch.cat([owner[:, None], codes], dim=1).unique(dim=0, return_inverse=True)
            if len(both) < len(codes):
                return self._states(readers, both[:, 0], both[:, 1:], slots)[again].unflatten(0, (users, beams))
        return self._states(readers, owner, codes, slots).unflatten(0, (users, beams))

    def _states(self, readers: HistoryBatch, owner: Tensor, codes: Tensor, slots: Sequence[int]) -> Tensor:
        """Answers for some canvases. Shapes: (n,), (n, T) -> (n, S, V)"""
        # stacked by Python numbers: an index tensor would be a copy to the device at every call
        column = torch.stack([self.columns[slot] for slot in slots])
        place, n_slots = self._masked(codes[:, column]), len(slots)
        asked = column[place]
        canvas = self.network.embed_slots(codes, self.canvas)
        states = self._last(readers, owner, codes, canvas, asked)
        answers = slot_log_probs(self.network.logits(states), self.places[asked])
        if place.shape[1] == n_slots:
            return answers
        every = answers.new_full((len(codes), n_slots, answers.shape[2]), -torch.inf)
        return every.scatter_(1, place[..., None].expand(-1, -1, answers.shape[2]), answers)

    def _masked(self, codes: Tensor) -> Tensor:
        """The places of each row's masked slots, others behind them where a row has fewer. Shape: (n, S) -> (n, m)"""
        masked = codes < 0
        most = codes.shape[1]
        if codes.device.type == "cpu":
            most = max(1, int(masked.sum(dim=1).max()))
        if most == codes.shape[1]:
            return torch.arange(most, device=codes.device).expand_as(codes)
        return masked.byte().argsort(dim=1, descending=True, stable=True)[:, :most]

    def _last(self, readers: HistoryBatch, owner: Tensor, codes: Tensor, canvas: Tensor, asked: Tensor) -> Tensor:
        """Last hidden states at the columns asked.

        Args:
            readers: the group.
            owner: which of its users each canvas belongs to. Shape: (n,)
            codes: what is revealed. Shape: (n, T)
            canvas: the same, embedded. Shape: (n, T, hidden)
            asked: columns. Shape: (n, m)

        Returns:
            Shape: (n, m, hidden)
        """
        if readers.read is None:
            return self._full(readers, owner, canvas, asked)[0]
        return self._cached(readers, readers.read, owner, owner, canvas, asked)

    def _full(self, readers: HistoryBatch, owner: Tensor, canvas: Tensor, asked: Tensor) -> tuple[Tensor, KeysValues]:
        """With a history that sees the canvas; keys and values of the histories too."""
        numbers = torch.cat([self.numbers[HISTORY - readers.history.shape[1] : HISTORY], HISTORY + self.canvas])
        seen = None if readers.seen is None else readers.seen[owner]
        return self.blocks.full(readers.history, readers.first, owner, canvas, numbers, asked, seen)

    def _cached(
        self, readers: HistoryBatch, read: KeysValues, row: Tensor, owner: Tensor, canvas: Tensor, asked: Tensor
    ) -> Tensor:
        """With row `row` of known keys and values before each canvas."""
        seen = None if readers.seen is None else readers.seen[owner]
        return self.blocks.cached(read, row, canvas, HISTORY + self.canvas, asked, seen)
