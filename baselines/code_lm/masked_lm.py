"""Llama blocks with full attention over codes: the from-scratch network of `llada` (spec: sizes).

One position stands for a history item, then one for each target slot (the embedding of its code or the slot's mask
embedding). Published LLaDA is the same block stack, with text around it.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaModel

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import HISTORY

from .masked_diffusion import weighted_loss
from .sizes import TransformerSize
from .transformer import CodeTransformer, settings

Attention = Literal["full", "prefix"]
"""What a history sees: the canvas too, or only itself, so that it can be read once for all canvases."""


class MaskedCodeLM(CodeTransformer):
    """Predicts the codes of masked slots from the history and the revealed codes.

    The embedding has one more row for each slot, its mask.
    """

    def __init__(self, space: CodeSpace, shape: TransformerSize, dropout: float, attention: Attention = "full") -> None:
        blocks = LlamaModel(LlamaConfig(**settings(shape, HISTORY + space.n_slots)))
        super().__init__(space, blocks, dropout, extra=space.n_slots)
        self.attention = attention

    def embed_slots(self, revealed: Tensor, slots: Tensor) -> Tensor:
        """Vectors of the canvas: revealed codes, or the slot's mask where it is -1.

        Args:
            revealed: code indices. Shape: (b, T)
            slots: which slots of the space the columns are. Shape: (T,)

        Returns:
            Shape: (b, T, hidden)
        """
        ids = torch.where(revealed < 0, self.vocabulary + slots, revealed + self.offsets[slots])
        return self.embedding(ids)

    def hidden(self, history: Tensor, visible: Tensor, canvas: Tensor, slots: Tensor) -> Tensor:
        """Last hidden states of the canvas.

        A slot sees every position but the padding, and so does an item, or items only (`attention=prefix`). A slot
        keeps its position number when others are left out.

        Args:
            history: from `embed_items`. Shape: (b, H, hidden)
            visible: False in the padding. Shape: (b, H), bool
            canvas: from `embed_slots`. Shape: (b, T, hidden)
            slots: which slots of the space the canvas has. Shape: (T,)

        Returns:
            Shape: (b, T, hidden)
        """
        inputs = torch.cat([history, canvas], dim=1)
        seen = torch.cat([visible, visible.new_ones(canvas.shape[:2])], dim=1)
        positions = torch.cat([torch.arange(HISTORY, device=slots.device), HISTORY + slots])

        def mask(seen: Tensor) -> Tensor:
            every = seen[:, None, None].expand(-1, 1, seen.shape[1], -1)
            return items_alone(every, seen.shape[1] - len(slots)) if self.attention == "prefix" else every

        return self.dropout(
            self.run_length_bucketed(inputs, seen=seen, mask=mask, positions=positions, last=len(slots))
        )

    def forward(self, items: Tensor, revealed: Tensor, labels: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """The training loss.

        Args:
            items: histories, -1 in the padding. Shape: (b, H)
            revealed: code indices, -1 where masked. Shape: (b, T)
            labels: the true code indices. Shape: (b, T)
            weights: from `mask_targets`. Shape: (b, T)
        """
        slots = torch.arange(labels.shape[1], device=labels.device)
        states = self.hidden(self.embed_items(items), items >= 0, self.embed_slots(revealed, slots), slots)
        masked = revealed < 0
        logits = self.logits(states[masked])
        return {"loss": weighted_loss(logits, (labels + self.offsets)[masked], weights[masked], len(labels))}


def items_alone(mask: Tensor, items: int) -> Tensor:
    """A mask in which the first `items` positions see each other only; and each itself, since no row may be empty.

    Shape: (b, 1, n, n), bool
    """
    position = torch.arange(mask.shape[2], device=mask.device)
    return (mask & ((position[:, None] >= items) | (position < items))) | (position[:, None] == position)
