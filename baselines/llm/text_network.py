"""What published LLMs share: a network of transformers with LoRA, whose output head is applied to target slots only.

Logits of a whole sequence are never computed (a vocabulary of 128k tokens at each of 200 positions): the hidden states
at the slots are selected first, and go through the output head a few rows at a time, in float32.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import Cache, DynamicCache, DynamicLayer

from mindrec_bench.core.dataset import Histories

from ..common import vocabulary
from ..common.packed_beams import beam_mask
from .lora import save_lora, set_trained_tensors, trained_tensors
from .prompt_encoder import PromptEncoder

HEAD_BATCH_ROWS = 1024
"""Hidden states that go through the output head at once: half a gigabyte of logits."""

BATCH_TOKENS = 32_768
"""Tokens that go through the blocks at once in decoding."""

KeysValues = tuple[tuple[Tensor, Tensor], ...]
"""Keys and values of prompts in each layer. Shapes: (B, heads, n, head size)"""


class _PromptLayer(DynamicLayer):
    """Keys and values of a layer that are read and stay as they are, where transformers would keep a longer copy."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        self.keys: Tensor = keys
        self.values: Tensor = values
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Those of the layer, and those of the new positions after them."""
        return torch.cat([self.keys, key_states], dim=2), torch.cat([self.values, value_states], dim=2)


class TextNetwork(nn.Module, ABC):
    """Base class of `TextDenoiser` and `TextCausal`.

    Its state dict holds what is trained: checkpoints and stored models contain no weight of the published network.

    Args:
        lora: from `lora`.
        encoder: tokens of codes and prompts.
        attend_pads: padding is attended to and counted as positions, as released; else it is masked.
    """

    def __init__(self, lora: PeftModel, encoder: PromptEncoder, *, attend_pads: bool = False) -> None:
        super().__init__()
        self.lora, self.encoder, self.attend_pads = lora, encoder, attend_pads
        self.register_buffer("code_token_ids", torch.from_numpy(encoder.code_token_ids), persistent=False)
        self.register_buffer("offsets", torch.tensor(encoder.space.offsets[:-1]), persistent=False)

    code_token_ids: Tensor
    offsets: Tensor

    @property
    def blocks(self) -> Any:
        """The network without its head."""
        return self.lora.get_base_model().model

    @property
    def head(self) -> Any:
        """The output head, with what is trained of it."""
        return self.lora.get_base_model().lm_head

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """The trained tensors only."""
        return trained_tensors(self.lora)

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Restore the trained tensors."""
        set_trained_tensors(self.lora, state_dict)
        return nn.modules.module._IncompatibleKeys([], [])

    def save_weights(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """Write trained tensors to `folder`, for `lora.load_lora`."""
        set_trained_tensors(self.lora, tensors)
        save_lora(self.lora, folder)

    @abstractmethod
    def begin(self, histories: Histories, slots: tuple[int, ...]) -> Any:
        """Open the context of a batch of users. `slots`: slots of the space on the canvas."""

    def prepare_inference(self) -> TextNetwork:
        """Freeze the network in evaluation mode, trained parts in the dtype of the rest; the head stays float32."""
        head = set(self.head.parameters())
        for parameter in self.parameters():
            if parameter.dtype == torch.float32 and parameter not in head:
                parameter.data = parameter.data.to(self.dtype)
        return self.requires_grad_(False).eval()

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in which the blocks compute."""
        dtype: torch.dtype = self.blocks.norm.weight.dtype
        return dtype

    def slot_token_ids(self, slots: Sequence[int]) -> Tensor:
        """The token id of each code of some slots, -1 beyond a slot's last code. Shape: (T, V)"""
        codes = vocabulary.slot_token_ids(self.encoder.space, tuple(slots)).to(self.code_token_ids.device)
        return torch.where(codes < 0, -1, self.code_token_ids[codes.clamp(min=0)])

    def to_token_ids(self, codes: Tensor, slots: Tensor) -> Tensor:
        """Token ids of code indices, whose last axis is the slots. Shape: (..., T), (T,) -> (..., T)"""
        return self.code_token_ids[codes.clamp(min=0) + self.offsets[slots]]

    def attended(self, attention_mask: Tensor) -> Tensor:
        """Which positions of a prompt are attended to. Shape: (b, n) -> (b, n), bool"""
        return torch.ones_like(attention_mask) if self.attend_pads else attention_mask

    def encode(self, token_ids: Tensor, *, mask: Tensor, position_ids: Tensor, cache: Any = None) -> Tensor:
        """Last hidden states.

        Args:
            token_ids: Shape: (b, n)
            mask: rows attend to columns, positions in the cache first. Shape: (b, 1, n, cached + n), bool
            position_ids: Shape: (b, n)
            cache: keys and values of earlier positions, which is extended; or None.

        Returns:
            Shape: (b, n, hidden)
        """
        outputs = self.blocks(
            inputs_embeds=self.blocks.embed_tokens(token_ids).to(self.dtype),
            attention_mask=mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        states: Tensor = outputs.last_hidden_state
        return states

    def encode_prompts(self, prompt_ids: Tensor, *, mask: Tensor, position_ids: Tensor) -> tuple[Tensor, KeysValues]:
        """Last hidden states of prompts, and their keys and values; arguments as of `encode`. (B, n, hidden)"""
        cache = DynamicCache()
        states = self.encode(prompt_ids, mask=mask, position_ids=position_ids, cache=cache)
        return states, tuple((keys, values) for keys, values, *_ in cache)

    def encode_after_prompt(
        self, target_ids: Tensor, keys_values: KeysValues, past_mask: Tensor, *, causal: bool
    ) -> Tensor:
        """Last hidden states of the targets of beams, which share the keys and values of their user.

        Only the targets go through the network, those of a user packed end to end (`packed_beams`).

        Args:
            target_ids: Shape: (B, K, m)
            keys_values: of each user's prompt, or of several readings of it, n positions in all.
            past_mask: which of them each beam attends to; their number is the position id of its target's first
                token. Shape: (B, K, n), bool
            causal: whether a position of the target attends to earlier ones only.

        Returns:
            Shape: (B, K, m, hidden)
        """
        users, beams, length = target_ids.shape
        target_mask = beam_mask(beams, length, target_ids.device, causal=causal)[None, None].expand(users, -1, -1, -1)
        prompt_mask = past_mask.repeat_interleave(length, dim=1)[:, None]
        first = past_mask.sum(dim=2, keepdim=True)
        states = self.encode(
            target_ids.flatten(1, 2),
            mask=torch.cat([prompt_mask, target_mask], dim=-1),
            position_ids=(first + torch.arange(length, device=target_ids.device)).flatten(1, 2),
            cache=Cache(layers=[_PromptLayer(keys, values) for keys, values in keys_values]),
        )
        return states.unflatten(1, (beams, length))

    def logits(self, states: Tensor) -> Tensor:
        """Scores of the model's whole vocabulary. Shape: (..., hidden) -> (..., vocabulary), float32"""
        with torch.autocast(states.device.type, enabled=False):
            logits: Tensor = self.head(states.float())
            return logits

    def slot_log_probs(self, states: Tensor, token_ids: Tensor) -> Tensor:
        """log p of the codes of slots, normalised over the model's whole vocabulary.

        Args:
            states: last hidden states at slots. Shape: (b, S, hidden)
            token_ids: rows of `slot_token_ids`, one for all slots or one for each. Shape: (V,) or (S, V)

        Returns:
            -inf beyond a slot's last code. Shape: (b, S, V), float32
        """
        chunks = []
        for chunk in states.split(max(1, HEAD_BATCH_ROWS // states.shape[1])):
            logits = self.logits(chunk)
            code_logits = logits.gather(-1, token_ids.clamp(min=0).expand(*chunk.shape[:2], -1))
            chunks.append(code_logits - logits.logsumexp(-1, keepdim=True))
        return torch.cat(chunks).masked_fill(token_ids < 0, -torch.inf)


def count_positions(attention_mask: Tensor) -> Tensor:
    """Position ids that count what is attended to, from 0. Shape: (b, n), bool -> (b, n)"""
    return (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
