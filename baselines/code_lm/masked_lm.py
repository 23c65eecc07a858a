"""The from-scratch network of `llada`: Llama blocks with full attention over codes.

There is one position for each history item, then one for each target slot: the embedding of its code, or the mask
embedding of the slot. Published LLaDA has the same blocks and reads text.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaModel

from mindrec_bench.core.choices import HISTORY
from mindrec_bench.core.code_space import CodeSpace

from .masked_diffusion import weighted_loss
from .sizes import TransformerSize
from .transformer import CodeTransformer, config_kwargs

Attention = Literal["full", "prefix"]
"""What a history attends to: itself and the canvas, or itself only, so that it can be encoded once for all canvases."""


class MaskedCodeLM(CodeTransformer):
    """Predicts the codes of masked slots from the history and the revealed codes.

    The embedding has one extra row for each slot: its mask.
    """

    def __init__(self, space: CodeSpace, size: TransformerSize, dropout: float, attention: Attention = "full") -> None:
        blocks = LlamaModel(LlamaConfig(**config_kwargs(size, HISTORY + space.n_slots)))  # rotary: longer ones work too
        super().__init__(space, blocks, dropout, extra_embeddings=space.n_slots)
        self.attention = attention

    def embed_slots(self, revealed: Tensor, slots: Tensor) -> Tensor:
        """Embed a canvas: revealed codes, or the slot's mask where a code is -1.

        Args:
            revealed: code indices. Shape: (b, T)
            slots: the slots of the space that are on the canvas. Shape: (T,)

        Returns:
            Shape: (b, T, hidden)
        """
        token_ids = torch.where(revealed < 0, self.vocab_size + slots, revealed + self.offsets[slots])
        return self.embedding(token_ids)

    def slot_states(self, history: Tensor, attention_mask: Tensor, canvas: Tensor, slots: Tensor) -> Tensor:
        """Last hidden states of the canvas.

        A slot attends to every position but the padding; an item does the same, or attends to items only
        (`attention=prefix`). A slot keeps its position id when other slots are left out.

        Args:
            history: from `embed_items`. Shape: (b, H, hidden)
            attention_mask: False in the padding of the history. Shape: (b, H), bool
            canvas: from `embed_slots`. Shape: (b, T, hidden)
            slots: the slots of the space that are on the canvas. Shape: (T,)

        Returns:
            Shape: (b, T, hidden)
        """

        def make_mask(attention_mask: Tensor) -> Tensor:
            length = attention_mask.shape[1]
            mask = attention_mask[:, None, None].expand(-1, 1, length, -1)
            return isolate_history(mask, length - len(slots)) if self.attention == "prefix" else mask

        length = history.shape[1]
        states = self.run_length_bucketed(
            torch.cat([history, canvas], dim=1),
            attention_mask=torch.cat([attention_mask, attention_mask.new_ones(canvas.shape[:2])], dim=1),
            make_mask=make_mask,
            position_ids=torch.cat([torch.arange(length, device=slots.device), length + slots]),
            last=len(slots),
        )
        return self.dropout(states)

    def forward(self, items: Tensor, revealed: Tensor, labels: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """The training loss.

        Args:
            items: histories, -1 in the padding. Shape: (b, H)
            revealed: code indices, -1 where masked. Shape: (b, T)
            labels: the true code indices. Shape: (b, T)
            weights: from `mask_targets`. Shape: (b, T)
        """
        slots = torch.arange(labels.shape[1], device=labels.device)
        states = self.slot_states(self.embed_items(items), items >= 0, self.embed_slots(revealed, slots), slots)
        per_slot = states, labels + self.offsets, weights
        if states.device.type == "cpu":
            masked = revealed < 0
            states, token_ids, weights = (tensor[masked] for tensor in per_slot)
        else:  # a GPU would have to tell how many are masked; the others weigh 0
            states, token_ids, weights = (tensor.flatten(0, 1) for tensor in per_slot)
        return {"loss": weighted_loss(self.logits(states), token_ids, weights, len(labels))}


def isolate_history(mask: Tensor, n_items: int) -> Tensor:
    """A mask in which the first `n_items` positions attend to each other only.

    Every position also attends to itself, because a row without any True would give NaN.

    Shape: (b, 1, n, n), bool
    """
    position = torch.arange(mask.shape[2], device=mask.device)
    return (mask & ((position[:, None] >= n_items) | (position < n_items))) | (position[:, None] == position)
