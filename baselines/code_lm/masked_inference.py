"""Inference of `llada` from scratch, in which nothing is computed twice (see `llama_blocks`).

On a CPU, users whose histories have the same length are computed together, without padding and without a mask, and
equal beams of a user are computed once. On a GPU both would make the CPU wait for it, so there all users are computed
together, cut to the longest history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from mindrec_bench.core.dataset import Histories

from ..common.vocabulary import slot_log_probs
from .llama_blocks import KeysValues, LlamaBlocks
from .masked_lm import MaskedCodeLM


@dataclass(frozen=True, eq=False)
class HistoryBatch:
    """Users whose histories are computed together.

    Attributes:
        users: their rows in the batch. Shape: (R,)
        attention_mask: False in the padding; None where there is no padding. Shape: (R, h), bool
        embedded: the items. Shape: (R, h, hidden)
        qkv: queries, keys and values of the first layer. Shape: (R, h, 3 heads, hidden / heads)
        keys_values: of all layers, for histories that attend to themselves only; None where they attend to the canvas.
    """

    users: Tensor
    attention_mask: Tensor | None
    embedded: Tensor
    qkv: Tensor
    keys_values: KeysValues | None


def encode_histories(network: MaskedCodeLM, blocks: LlamaBlocks, histories: Histories) -> list[HistoryBatch]:
    """Compute all that does not depend on the canvas."""
    device = network.offsets.device
    length, lengths = histories.items.shape[1], (histories.items >= 0).sum(axis=1)
    groups = [np.arange(len(lengths))]
    if device.type == "cpu":
        groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
    batches = []
    for users in groups:
        longest = int(lengths[users].max(initial=0))
        items = torch.from_numpy(histories.items[users, length - longest :]).to(device)
        attention_mask = items >= 0 if (lengths[users] < longest).any() else None
        embedded, position_ids = network.embed_items(items), torch.arange(length - longest, length, device=device)
        keys_values = None
        if network.attention == "prefix":
            keys_values = blocks.encode_history(embedded, position_ids, attention_mask)
        qkv = blocks.project(0, embedded, position_ids)
        batches.append(HistoryBatch(torch.from_numpy(users).to(device), attention_mask, embedded, qkv, keys_values))
    return batches


@dataclass(frozen=True, eq=False)
class MaskedInference:
    """The denoiser context of one batch of users.

    Attributes:
        network: in evaluation mode.
        blocks: those of the network.
        batches: all users of the batch, in groups.
        slots: the slots of the space on the canvas. Shape: (T,)
        columns: 0 to T - 1.
        history_position_ids: 0 to H - 1.
        slot_token_ids: of the codes of the slots, -1 beyond a slot's last one. Shape: (T, V)
    """

    network: MaskedCodeLM
    blocks: LlamaBlocks
    batches: list[HistoryBatch]
    slots: Tensor
    columns: Tensor
    history_position_ids: Tensor
    slot_token_ids: Tensor

    @classmethod
    def begin(cls, network: MaskedCodeLM, blocks: LlamaBlocks, histories: Histories, slots: tuple[int, ...]) -> Self:
        """Encode the histories once. `slots`: the slots of the space on the canvas."""
        device = network.offsets.device
        with torch.no_grad():
            batches = encode_histories(network, blocks, histories)
        return cls(
            network=network,
            blocks=blocks,
            batches=batches,
            slots=torch.tensor(slots, device=device),
            columns=torch.arange(len(slots), device=device),
            history_position_ids=torch.arange(histories.items.shape[1], device=device),
            slot_token_ids=network.slot_token_ids(slots),
        )

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """log p(code in slot | history, revealed), normalised over the code vocabulary of all slots.

        Args:
            revealed: code indices, -1 where nothing is revealed. Shape: (B, K, T)
            slots: columns of the canvas; an entry for a slot that a beam has revealed is unspecified.

        Returns:
            -inf outside a slot's own codes. Shape: (B, K, S, V), float32
        """
        with torch.no_grad():
            if len(self.batches) == 1:
                return self._batch_log_probs(self.batches[0], revealed, slots)
            shape = (*revealed.shape[:2], len(slots), self.slot_token_ids.shape[1])
            log_probs = self.slot_token_ids.new_empty(shape, dtype=torch.float32)
            for batch in self.batches:
                log_probs[batch.users] = self._batch_log_probs(batch, revealed[batch.users], slots)
            return log_probs

    def _batch_log_probs(self, batch: HistoryBatch, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """`log_probs` for one group of users."""
        users, beams, _ = revealed.shape
        rows = torch.arange(users, device=revealed.device).repeat_interleave(beams)
        codes = revealed.flatten(0, 1)
        if revealed.device.type == "cpu" and beams > 1:
            distinct, inverse = torch.cat([rows[:, None], codes], dim=1).unique(dim=0, return_inverse=True)
            if len(distinct) < len(codes):
                log_probs = self._canvas_log_probs(batch, distinct[:, 0], distinct[:, 1:], slots)
                return log_probs[inverse].unflatten(0, (users, beams))
        return self._canvas_log_probs(batch, rows, codes, slots).unflatten(0, (users, beams))

    def _canvas_log_probs(self, batch: HistoryBatch, rows: Tensor, codes: Tensor, slots: Sequence[int]) -> Tensor:
        """`log_probs` for canvases of users `rows` of the group. Shapes: (n,), (n, T) -> (n, S, V)"""
        # stacked by Python numbers: an index tensor would be copied to the device at every call
        slot_columns = torch.stack([self.columns[slot] for slot in slots])
        masked, n_slots = self._masked_first(codes[:, slot_columns]), len(slots)
        columns = slot_columns[masked]
        canvas = self.network.embed_slots(codes, self.slots)
        states = self._column_states(batch, rows, codes, canvas, columns)
        log_probs = slot_log_probs(self.network.logits(states), self.slot_token_ids[columns])
        if masked.shape[1] == n_slots:
            return log_probs
        all_slots = log_probs.new_full((len(codes), n_slots, log_probs.shape[2]), -torch.inf)
        return all_slots.scatter_(1, masked[..., None].expand(-1, -1, log_probs.shape[2]), log_probs)

    def _masked_first(self, codes: Tensor) -> Tensor:
        """Indices of each row's masked slots, then of others where a row has fewer. Shape: (n, S) -> (n, m)

        m is the largest number of masked slots in a row; on a GPU, which would have to wait for it, m = S.
        """
        is_masked = codes < 0
        most = codes.shape[1]
        if codes.device.type == "cpu":
            most = max(1, int(is_masked.sum(dim=1).max()))
        if most == codes.shape[1]:
            return torch.arange(most, device=codes.device).expand_as(codes)
        return is_masked.byte().argsort(dim=1, descending=True, stable=True)[:, :most]

    def _column_states(
        self, batch: HistoryBatch, rows: Tensor, codes: Tensor, canvas: Tensor, columns: Tensor
    ) -> Tensor:
        """Last hidden states at some columns of canvases.

        Args:
            batch: the group of users.
            rows: which user of the group each canvas belongs to. Shape: (n,)
            codes: what is revealed. Shape: (n, T)
            canvas: the same, embedded. Shape: (n, T, hidden)
            columns: Shape: (n, m)

        Returns:
            Shape: (n, m, hidden)
        """
        if batch.keys_values is None:
            return self._attend_full(batch, rows, canvas, columns)[0]
        return self._attend_cached(batch, batch.keys_values, rows, rows, canvas, columns)

    @property
    def _slot_position_ids(self) -> Tensor:
        return len(self.history_position_ids) + self.slots

    def _attend_full(
        self, batch: HistoryBatch, rows: Tensor, canvas: Tensor, columns: Tensor
    ) -> tuple[Tensor, KeysValues]:
        """With histories that attend to the canvas; their keys and values too."""
        start = len(self.history_position_ids) - batch.embedded.shape[1]
        position_ids = torch.cat([self.history_position_ids[start:], self._slot_position_ids])
        attention_mask = None if batch.attention_mask is None else batch.attention_mask[rows]
        return self.blocks.attend_full(batch.embedded, batch.qkv, rows, canvas, position_ids, columns, attention_mask)

    def _attend_cached(
        self,
        batch: HistoryBatch,
        keys_values: KeysValues,
        cache_rows: Tensor,
        rows: Tensor,
        canvas: Tensor,
        columns: Tensor,
    ) -> Tensor:
        """With known keys and values of histories, of which canvas i follows row `cache_rows[i]`."""
        attention_mask = None if batch.attention_mask is None else batch.attention_mask[rows]
        return self.blocks.attend_cached(
            keys_values, cache_rows, canvas, self._slot_position_ids, columns, attention_mask
        )
