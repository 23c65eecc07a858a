"""A transformer over codes with one position for each history item: the base of `MaskedCodeLM` and `CausalCodeLM`.

Inputs are embedded here and not in the blocks: an item is the sum of the embeddings of its codes. The same embeddings
are the output head, because tied weights gave the lower validation loss on small data.
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
from ..common.fused_norm import patch_norms
from ..common.onednn_linear import onednn_linear, patch_linears
from .sizes import TransformerSize

BUCKET_SIZE = 64
"""Sequences of similar length that run together on a CPU: enough to use its cores, with little padding."""


def config_kwargs(size: TransformerSize, max_positions: int) -> dict[str, Any]:
    """Keyword arguments of a configuration of transformers (`LlamaConfig`, `Qwen2Config`) for blocks of this size."""
    return {
        "vocab_size": 1,  # inputs are embedded outside the blocks
        "hidden_size": size.hidden,
        "intermediate_size": size.hidden * 8 // 3,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.heads,
        "max_position_embeddings": max_positions,
        "bos_token_id": None,
        "eos_token_id": None,
        "attn_implementation": "sdpa",
    }


class CodeTransformer(nn.Module):
    """Embeds histories, runs the blocks, scores codes. The codes of all slots share one vocabulary (`vocabulary`).

    Args:
        space: the slots and the catalogue.
        blocks: a model of transformers without a head.
        dropout: on the inputs of the blocks; a subclass also applies it to the last hidden states that it uses.
        extra_embeddings: rows of the embedding after those of the codes, for inputs that are not codes.
    """

    def __init__(self, space: CodeSpace, blocks: PreTrainedModel, dropout: float, *, extra_embeddings: int) -> None:
        super().__init__()
        self.space, self.vocab_size = space, space.offsets[-1]
        self.blocks = blocks
        self.blocks.set_input_embeddings(nn.Identity())
        patch_linears(self.blocks)
        patch_norms(self.blocks)
        hidden = blocks.config.hidden_size
        self.embedding = nn.Embedding(self.vocab_size + extra_embeddings, hidden)
        nn.init.normal_(self.embedding.weight, std=hidden**-0.5)
        self.dropout = nn.Dropout(dropout)
        offsets = np.asarray(space.offsets[:-1])
        self.register_buffer("offsets", torch.from_numpy(offsets), persistent=False)
        self.register_buffer("item_token_ids", torch.from_numpy(space.item_codes + offsets), persistent=False)

    offsets: Tensor
    item_token_ids: Tensor

    def embed_items(self, items: Tensor) -> Tensor:
        """One vector for each history item; vectors of the padding (-1) are arbitrary. (b, H) -> (b, H, hidden)"""
        token_ids = self.item_token_ids[items.clamp(min=0)]
        embeddings = nn.functional.embedding_bag(token_ids.flatten(0, 1), self.embedding.weight, mode="sum")
        return embeddings.unflatten(0, items.shape)

    def encode(self, inputs: Tensor, *, mask: Tensor, position_ids: Tensor) -> Tensor:
        """Last hidden states, without dropout on them.

        Args:
            inputs: embedded. Shape: (b, n, hidden)
            mask: rows attend to columns. Shape: (b, 1, n, n), bool
            position_ids: Shape: (n,)

        Returns:
            Shape: (b, n, hidden)
        """
        return self._run_blocks(self.dropout(inputs), mask, position_ids)

    def run_length_bucketed(
        self,
        inputs: Tensor,
        *,
        attention_mask: Tensor,
        make_mask: Callable[[Tensor], Tensor],
        position_ids: Tensor,
        last: int,
    ) -> Tensor:
        """As `encode`, for the last positions of each sequence only.

        On a CPU, sequences of similar length run together, cut to the longest of them: the results agree up to
        rounding, and no time goes into padding. On a GPU all sequences run together, since it would have to wait for
        the lengths.

        Args:
            inputs: embedded, padded on the left. Shape: (b, n, hidden)
            attention_mask: False in the padding. Shape: (b, n), bool
            make_mask: from rows of `attention_mask` to a mask as in `encode`, (b, n) -> (b, 1, n, n).
            position_ids: Shape: (n,)
            last: how many positions to return.

        Returns:
            Shape: (b, last, hidden)
        """
        if inputs.device.type != "cpu":
            return self.encode(inputs, mask=make_mask(attention_mask), position_ids=position_ids)[:, -last:]
        inputs, lengths = self.dropout(inputs), attention_mask.sum(dim=1)
        order = lengths.argsort(stable=True)
        buckets = []
        for rows in order.split(BUCKET_SIZE):
            longest = max(last, int(lengths[rows].max()))
            mask = make_mask(attention_mask[rows, -longest:])
            states = self._run_blocks(inputs[rows, -longest:], mask, position_ids[-longest:])
            buckets.append(states[:, -last:])
        return torch.cat(buckets)[order.argsort()]

    def _run_blocks(self, inputs: Tensor, mask: Tensor, position_ids: Tensor) -> Tensor:
        outputs = self.blocks(
            inputs_embeds=inputs, attention_mask=mask, position_ids=position_ids[None], use_cache=False
        )
        states: Tensor = outputs.last_hidden_state
        return states

    def logits(self, states: Tensor) -> Tensor:
        """Scores of all codes of all slots. Shape: (..., hidden) -> (..., vocabulary)"""
        return onednn_linear(states, self.embedding.weight[: self.vocab_size])

    def slot_token_ids(self, slots: tuple[int, ...]) -> Tensor:
        """See `vocabulary.slot_token_ids`; on the network's device."""
        return vocabulary.slot_token_ids(self.space, slots).to(self.offsets.device)
