"""A stack of decoder blocks over codes, one position for each history item (spec: sizes).

The inputs are embedded here: an item is the sum of its code embeddings, which are the output head too (with few
examples that gave the lower validation loss).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from mindrec_bench.core.code_space import CodeSpace

from ..common import vocabulary
from ..common.onednn_linear import linear, patch_linears
from .sizes import TransformerSize

BUCKET_SIZE = 64
"""Sequences that run together on a CPU, sorted by length: long enough for its cores, and little padding."""


def settings(shape: TransformerSize, positions: int) -> dict[str, Any]:
    """Options of a transformers configuration for blocks of this shape over this many positions."""
    return {
        "vocab_size": 1,  # inputs are embedded outside
        "hidden_size": shape.hidden,
        "intermediate_size": shape.hidden * 8 // 3,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "max_position_embeddings": positions,
        "bos_token_id": None,
        "eos_token_id": None,
        "attn_implementation": "sdpa",
    }


class CodeTransformer(nn.Module):
    """Embeds histories, runs blocks, scores codes. Codes of all slots live in one vocabulary (`vocabulary`).

    Args:
        space: the slots and the catalogue.
        blocks: the stack, a model of transformers without a head.
        dropout: on the inputs of `run`; a subclass uses it on the last hidden states that it needs.
        extra: rows of the embedding after the codes', for what is no code.
    """

    def __init__(self, space: CodeSpace, blocks: PreTrainedModel, dropout: float, *, extra: int) -> None:
        super().__init__()
        self.space, self.vocabulary = space, space.offsets[-1]
        self.blocks = blocks
        self.blocks.set_input_embeddings(nn.Identity())
        patch_linears(self.blocks)
        hidden = blocks.config.hidden_size
        self.embedding = nn.Embedding(self.vocabulary + extra, hidden)
        nn.init.normal_(self.embedding.weight, std=hidden**-0.5)
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

    def run(self, inputs: Tensor, *, mask: Tensor, positions: Tensor, cache: Any = None) -> Tensor:
        """Last hidden states, no dropout on them.

        Args:
            inputs: embedded. Shape: (b, n, hidden)
            mask: what each position sees, positions in the cache first. Shape: (b, 1, n, cached + n), bool
            positions: their numbers. Shape: (n,)
            cache: keys and values of earlier positions, extended by these; None: there are none.

        Returns:
            Shape: (b, n, hidden)
        """
        return self._through(self.dropout(inputs), mask, positions, cache)

    def run_length_bucketed(
        self, inputs: Tensor, *, seen: Tensor, mask: Callable[[Tensor], Tensor], positions: Tensor, last: int
    ) -> Tensor:
        """As `run` for whole sequences, of which the last positions are wanted.

        On a CPU sequences of like length run together, cut to their longest: the numbers are the same but for the last
        bits, and the time goes into what is no padding. A GPU would have to wait for the lengths.

        Args:
            inputs: embedded, padding on the left. Shape: (b, n, hidden)
            seen: False in the padding. Shape: (b, n), bool
            mask: from rows of `seen` to what each position sees, (b, 1, n, n).
            positions: their numbers. Shape: (n,)
            last: how many are wanted.

        Returns:
            Shape: (b, last, hidden)
        """
        if inputs.device.type != "cpu":
            return self.run(inputs, mask=mask(seen), positions=positions)[:, -last:]
        inputs, lengths = self.dropout(inputs), seen.sum(dim=1)
        order = lengths.argsort(stable=True)
        parts = []
        for rows in order.split(BUCKET_SIZE):
            longest = max(last, int(lengths[rows].max()))
            states = self._through(inputs[rows, -longest:], mask(seen[rows, -longest:]), positions[-longest:])
            parts.append(states[:, -last:])
        return torch.cat(parts)[order.argsort()]

    def _through(self, inputs: Tensor, mask: Tensor, positions: Tensor, cache: Any = None) -> Tensor:
        """The blocks alone."""
        states = self.blocks(
            inputs_embeds=inputs,
            attention_mask=mask,
            position_ids=positions[None],
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return states.last_hidden_state

    def logits(self, states: Tensor) -> Tensor:
        """Scores of all codes of all slots. Shape: (..., hidden) -> (..., vocabulary)"""
        return linear(states, self.embedding.weight[: self.vocabulary])

    def places(self, slots: tuple[int, ...]) -> Tensor:
        """See `vocabulary.places`; on the network's device."""
        return vocabulary.places(self.space, slots).to(self.offsets.device)
