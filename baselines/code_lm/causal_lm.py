"""The from-scratch network of `llama3` and `qwen2.5`: a causal transformer over codes.

There is one position for each history item, then a start position, then the target's codes from left to right. Each
position from the start on predicts the next code; training is next-token cross-entropy on the target only (paper
eq. 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import PreTrainedModel

from mindrec_bench.core.choices import HISTORY
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories

from ..common.packed_beams import beam_mask
from ..common.vocabulary import next_code_loss, slot_log_probs
from .llama_blocks import KeysValues, LlamaBlocks
from .transformer import CodeTransformer

PROMPT_LENGTH = HISTORY + 1
"""Positions before the first code, the history and the start, unless a run has longer histories."""


class CausalCodeLM(CodeTransformer):
    """Predicts the next code from the history and the codes so far.

    The embedding has one extra row: the start. A code keeps its position id when earlier slots are left out.
    """

    def __init__(self, space: CodeSpace, blocks: PreTrainedModel, dropout: float) -> None:
        super().__init__(space, blocks, dropout, extra_embeddings=1)

    def embed_prompt(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Embed histories and the start.

        Returns:
            The embeddings, and a mask that is False in the padding. Shapes: (b, P, hidden), (b, P), bool
        """
        start = self.embedding.weight[self.vocab_size].expand(len(items), 1, -1)
        attention_mask = torch.cat([items >= 0, items.new_ones(len(items), 1, dtype=torch.bool)], dim=1)
        return torch.cat([self.embed_items(items), start], dim=1), attention_mask

    def forward(self, items: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The training loss: cross-entropy over the whole vocabulary, mean over target slots and examples.

        Args:
            items: histories, -1 in the padding. Shape: (b, H)
            labels: code indices of the target. Shape: (b, T)
        """
        token_ids = labels + self.offsets
        prompt, attention_mask = self.embed_prompt(items)
        inputs = torch.cat([prompt, self.embedding(token_ids[:, :-1])], dim=1)
        states = self.run_length_bucketed(
            inputs,
            attention_mask=torch.cat([attention_mask, attention_mask.new_ones(labels[:, :-1].shape)], dim=1),
            make_mask=causal_mask,
            position_ids=torch.arange(inputs.shape[1], device=items.device),
            last=labels.shape[1],
        )
        return {"loss": next_code_loss(self.logits(self.dropout(states)), token_ids)}

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> CausalInference:
        """Encode the histories once, keeping keys and values. `slots`: the slots of the space on the canvas."""
        device = self.offsets.device
        length = histories.items.shape[1]
        longest = int((histories.items >= 0).sum(axis=1).max(initial=0))
        with torch.no_grad():
            blocks = LlamaBlocks.from_model(self.blocks, length + 1 + self.space.n_slots)
            items = torch.from_numpy(histories.items[:, length - longest :]).to(device)
            prompt, attention_mask = self.embed_prompt(items)
            position_ids = torch.arange(length - longest, length + 1, device=device)
            start_column = position_ids[-1:] - position_ids[0]
            start_states, keys_values = blocks.extend(prompt, position_ids, causal_mask(attention_mask), start_column)
        no_codes = torch.empty(len(prompt), 1, 0, dtype=torch.int64, device=device)
        return CausalInference(
            network=self,
            blocks=blocks,
            prompt=CausalCache(no_codes, keys_values, attention_mask[:, None]),
            start_states=start_states,
            slots=torch.tensor(slots, device=device),
            slot_token_ids=self.slot_token_ids(slots),
            prompt_length=length + 1,
        )


def causal_mask(attention_mask: Tensor) -> Tensor:
    """Each position attends to the earlier ones that are not padding, and to itself, so that no row gives NaN.

    Shape: (b, n), bool -> (b, 1, n, n), bool
    """
    position = torch.arange(attention_mask.shape[1], device=attention_mask.device)
    earlier = position[:, None] > position
    return ((earlier & attention_mask[:, None]) | (position[:, None] == position))[:, None]


@dataclass(frozen=True, eq=False)
class CausalCache:
    """The positions that a search has computed so far: history and start, then the codes of each step's beams.

    Keys and values are not moved when beams are dropped, repeated and reordered; a mask says which of them are the past
    of a beam.

    Attributes:
        prefix: the codes of each beam. Shape: (B, K, t), int64
        keys_values: in each layer. Shapes: (B, heads, n, hidden / heads)
        mask: which positions each beam attends to. Shape: (B, K, n), bool
    """

    prefix: Tensor
    keys_values: KeysValues
    mask: Tensor


@dataclass(frozen=True, eq=False)
class CausalInference:
    """The causal context of one batch of users.

    Attributes:
        network: in evaluation mode.
        blocks: those of the network.
        prompt: history and start, with one beam that has no codes.
        start_states: last hidden state of the start. Shape: (B, 1, hidden)
        slots: the slots of the space on the canvas. Shape: (T,)
        slot_token_ids: of their codes, -1 beyond a slot's last one. Shape: (T, V)
        prompt_length: positions before the first code.
        latest: the cache after the last call, or nothing.
    """

    network: CausalCodeLM
    blocks: LlamaBlocks
    prompt: CausalCache
    start_states: Tensor
    slots: Tensor
    slot_token_ids: Tensor
    prompt_length: int
    latest: list[CausalCache] = field(default_factory=list)

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """log p(code in slot t | history, prefix), normalised over the code vocabulary of all slots.

        Only the prefix is computed, and only its last code if the previous call computed the codes before it; all
        beams share the keys and values of the history.

        Args:
            prefix: code indices of the first t slots of the canvas. Shape: (B, K, t), int64

        Returns:
            -inf outside slot t's codes. Shape: (B, K, V), float32
        """
        with torch.no_grad():
            length = prefix.shape[2]
            states = self._last_states(prefix) if length else self.start_states.expand(-1, prefix.shape[1], -1)
            return slot_log_probs(self.network.logits(states), self.slot_token_ids[length])

    def _last_states(self, prefix: Tensor) -> Tensor:
        """Last hidden state of the last code of each beam. Shape: (B, K, hidden)"""
        users, beams, length = prefix.shape
        cache, parents = self._find_cache(prefix)
        known = cache.prefix.shape[2]
        new, new_slots = length - known, self.slots[known:length]
        past_mask = cache.mask.gather(1, parents[..., None].expand(-1, -1, cache.mask.shape[2]))
        new_mask = beam_mask(beams, new, prefix.device).expand(users, -1, -1)
        mask = torch.cat([past_mask.repeat_interleave(new, dim=1), new_mask], dim=2)
        last_columns = torch.arange(new - 1, beams * new, new, device=prefix.device)
        states, keys_values = self.blocks.extend(
            self.network.embedding(prefix[:, :, known:] + self.network.offsets[new_slots]).flatten(1, 2),
            (self.prompt_length + new_slots).repeat(beams),
            mask[:, None],
            last_columns,
            cache.keys_values,
        )
        if prefix.device.type == "cpu":
            self.latest[:] = [CausalCache(prefix, keys_values, mask[:, last_columns])]
        return states

    def _find_cache(self, prefix: Tensor) -> tuple[CausalCache, Tensor]:
        """The cache to extend, and which of its beams each beam continues, (B, K).

        It holds all codes but the last, or none. On a GPU it always holds none: comparing the codes would make the CPU
        wait for the GPU.
        """
        for cache in self.latest:
            if cache.prefix.shape[2] == prefix.shape[2] - 1:
                is_parent = (prefix[:, :, None, :-1] == cache.prefix[:, None]).all(dim=3)
                if bool(is_parent.any(dim=2).all()):
                    return cache, is_parent.byte().argmax(dim=2)
        return self.prompt, torch.zeros_like(prefix[:, :, 0])
