"""What the published LLMs share: a network of transformers with LoRA, whose head sees target slots only.

Logits of a whole sequence are never made (a vocabulary of 128k tokens at each of 200 positions): hidden states are
taken at the slots first, and go through the output head a few rows at a time, in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from mindrec_bench.core.dataset import Histories

from ..common import vocabulary
from .lora import save_lora, set_trained_weights, trained_weights
from .prompt_encoder import PromptEncoder

HEAD_ROWS = 1024
"""Hidden states that go through the output head at once: half a gigabyte of logits."""

TOKENS = 32_768
"""Tokens that go through the blocks at once while decoding."""


class TextNetwork(nn.Module):
    """Base of `TextDenoiser` and `TextCausal`.

    Its state is what is trained: checkpoints and stored models hold no weight of the published network.

    Args:
        lora: from `lora`.
        chat: the tokens of codes and prompts.
        attend_pads: padding is seen like text and counts as positions, as released; else it is masked.
    """

    def __init__(self, lora: PeftModel, chat: PromptEncoder, *, attend_pads: bool = False) -> None:
        super().__init__()
        self.lora, self.chat, self.attend_pads = lora, chat, attend_pads
        self.register_buffer("codes", torch.from_numpy(chat.codes), persistent=False)
        self.register_buffer("offsets", torch.tensor(chat.space.offsets[:-1]), persistent=False)

    codes: Tensor
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
        return trained_weights(self.lora)

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Put trained tensors back."""
        set_trained_weights(self.lora, state_dict)
        return nn.modules.module._IncompatibleKeys([], [])

    def store(self, folder: Path, best: dict[str, Tensor]) -> None:
        """Leave the best trained tensors in `folder`, for `lora.load_lora`."""
        set_trained_weights(self.lora, best)
        save_lora(self.lora, folder)

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> Any:
        """Open the context of a batch of users. `slots`: the slots of the space that are in the input at all."""
        raise NotImplementedError

    def for_answers(self) -> TextNetwork:
        """The network in evaluation mode, what was trained in the type of the rest; the head stays float32."""
        head = set(self.head.parameters())
        for parameter in self.parameters():
            if parameter.dtype == torch.float32 and parameter not in head:
                parameter.data = parameter.data.to(self.dtype)
        return self.requires_grad_(False).eval()

    @property
    def dtype(self) -> torch.dtype:
        """The type in which the blocks compute."""
        return self.blocks.norm.weight.dtype

    def tokens_of(self, slots: Sequence[int]) -> Tensor:
        """Where each slot's codes are in the vocabulary, -1 beyond its last one. Shape: (T, V)"""
        places = vocabulary.places(self.chat.space, tuple(slots)).to(self.codes.device)
        return torch.where(places < 0, -1, self.codes[places.clamp(min=0)])

    def tokens_at(self, codes: Tensor, slots: Tensor) -> Tensor:
        """Tokens of code indices, the last axis the slots. Shape: (..., T), (T,) -> (..., T)"""
        return self.codes[codes.clamp(min=0) + self.offsets[slots]]

    def seen(self, seen: Tensor) -> Tensor:
        """Which positions are attended to. Shape: (b, n) -> (b, n), bool"""
        return torch.ones_like(seen) if self.attend_pads else seen

    def run(self, ids: Tensor, *, mask: Tensor, positions: Tensor, cache: Any = None) -> Tensor:
        """Last hidden states.

        Args:
            ids: tokens. Shape: (b, n)
            mask: what each position sees, positions in the cache first. Shape: (b, 1, n, cached + n), bool
            positions: their numbers. Shape: (b, n)
            cache: keys and values of earlier positions, extended by these.

        Returns:
            Shape: (b, n, hidden)
        """
        states = self.blocks(
            inputs_embeds=self.blocks.embed_tokens(ids).to(self.dtype),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        return states.last_hidden_state

    def logits(self, states: Tensor) -> Tensor:
        """Scores of the model's whole vocabulary. Shape: (..., hidden) -> (..., vocabulary), float32"""
        with torch.autocast(states.device.type, enabled=False):
            return self.head(states.float())

    def slot_log_probs(self, states: Tensor, own: Tensor) -> Tensor:
        """log p of slots' own codes, normalised over the model's whole vocabulary.

        Args:
            states: last hidden states at slots. Shape: (b, S, hidden)
            own: rows of `tokens_of`, for all slots or for each. Shape: (V,) or (S, V)

        Returns:
            -inf beyond a slot's last code. Shape: (b, S, V), float32
        """
        parts = []
        for part in states.split(max(1, HEAD_ROWS // states.shape[1])):
            logits = self.logits(part)
            of_codes = logits.gather(-1, own.clamp(min=0).expand(*part.shape[:2], -1))
            parts.append(of_codes - logits.logsumexp(-1, keepdim=True))
        return torch.cat(parts).masked_fill(own < 0, -torch.inf)


def positions_of(seen: Tensor) -> Tensor:
    """Position numbers that count what is seen, from 0. Shape: (b, n), bool -> (b, n)"""
    return (seen.cumsum(dim=1) - 1).clamp(min=0)
