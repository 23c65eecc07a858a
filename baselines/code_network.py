"""Llama blocks with full attention over codes: the from-scratch network of `llada` (spec: sizes).

One position stands for a history item (the sum of its code embeddings), then one for each target slot (the embedding of
its code or the slot's mask embedding). Published LLaDA is the same block stack, with text around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaModel

from mindrec_bench.codes import CodeSpace
from mindrec_bench.data.dataset import HISTORY

from .diffusion import weighted_loss


@dataclass(frozen=True)
class Shape:
    """How large the network is."""

    layers: int
    hidden: int
    heads: int


class CodeNetwork(nn.Module):
    """Predicts the codes of masked slots from the history and the revealed codes.

    Codes of all slots live in one vocabulary, slot j's at `space.offsets[j]`; the embedding has one more row for each
    slot, its mask. The code embeddings are the output head too: with few examples that gave the lower validation loss.
    """

    def __init__(self, space: CodeSpace, shape: Shape, dropout: float) -> None:
        super().__init__()
        self.vocabulary, self.sizes = space.offsets[-1], space.sizes
        config = LlamaConfig(
            vocab_size=1,
            hidden_size=shape.hidden,
            intermediate_size=shape.hidden * 8 // 3,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            max_position_embeddings=HISTORY + space.n_slots,
            bos_token_id=None,
            eos_token_id=None,
            attn_implementation="sdpa",  # type: ignore[call-arg]  # of the base class
        )
        self.blocks = LlamaModel(config)
        self.blocks.set_input_embeddings(nn.Identity())  # inputs are embedded here
        self.embedding = nn.Embedding(self.vocabulary + space.n_slots, shape.hidden)
        nn.init.normal_(self.embedding.weight, std=shape.hidden**-0.5)
        self.dropout = nn.Dropout(dropout)
        offsets = np.asarray(space.offsets[:-1])
        self.register_buffer("offsets", torch.from_numpy(offsets), persistent=False)
        self.register_buffer("item_codes", torch.from_numpy(space.item_codes + offsets), persistent=False)

    offsets: Tensor
    item_codes: Tensor

    def embed_items(self, items: Tensor) -> Tensor:
        """One vector for each history item; what stands in the padding (-1) is never seen. (b, H) -> (b, H, hidden)"""
        codes = self.item_codes[items.clamp(min=0)]
        bags = nn.functional.embedding_bag(codes.flatten(0, 1), self.embedding.weight, mode="sum")
        return bags.unflatten(0, items.shape)

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

        Every position sees every other one but the padding. A slot keeps its position number when others are left out.

        Args:
            history: from `embed_items`. Shape: (b, H, hidden)
            visible: False in the padding. Shape: (b, H), bool
            canvas: from `embed_slots`. Shape: (b, T, hidden)
            slots: which slots of the space the canvas has. Shape: (T,)

        Returns:
            Shape: (b, T, hidden)
        """
        inputs = self.dropout(torch.cat([history, canvas], dim=1))
        seen = torch.cat([visible, visible.new_ones(canvas.shape[:2])], dim=1)
        length = inputs.shape[1]
        positions = torch.cat([torch.arange(HISTORY, device=slots.device), HISTORY + slots])
        states = self.blocks(
            inputs_embeds=inputs,
            attention_mask=seen[:, None, None].expand(-1, 1, length, -1),
            position_ids=positions[None],
            use_cache=False,
        ).last_hidden_state
        return self.dropout(states[:, HISTORY:])

    def logits(self, states: Tensor) -> Tensor:
        """Scores of all codes of all slots. Shape: (..., hidden) -> (..., vocabulary)"""
        return nn.functional.linear(states, self.embedding.weight[: self.vocabulary])

    def places(self, slots: tuple[int, ...]) -> Tensor:
        """Where each slot's codes are in the vocabulary, -1 beyond the slot's last one. Shape: (T, V)"""
        code = torch.arange(max(self.sizes[slot] for slot in slots))
        rows = [torch.where(code < self.sizes[slot], code + int(self.offsets[slot]), -1) for slot in slots]
        return torch.stack(rows).to(self.offsets.device)

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
