"""A T5 over codes: the network of `tiger` (Rajput et al., 2023).

The encoder reads the codes of the history's items, one token per code; the decoder generates the target's codes from
left to right. It is trained by next-token cross-entropy on the target only (paper eq. 1).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from transformers import T5Model

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories

from ..common.vocabulary import next_code_loss, slot_token_ids
from .encoder_decoder import T5Context, T5EncoderDecoder, t5_config
from .sizes import T5Size


class Seq2SeqCodeLM(T5EncoderDecoder):
    """T5 whose vocabulary is the codes of all slots and one more token, which pads and also starts the target.

    T5 encodes relative positions only, so where category slots are left out of the target, the first SID code follows
    the start token.
    """

    def __init__(self, space: CodeSpace, size: T5Size, dropout: float) -> None:
        pad = space.offsets[-1]
        t5 = T5Model(t5_config(size, vocabulary=pad + 1, pad=pad, dropout=dropout))
        super().__init__(t5, nn.Embedding(pad + 1, size.hidden), pad)
        self.space = space
        offsets = np.asarray(space.offsets[:-1])
        self.register_buffer("offsets", torch.from_numpy(offsets), persistent=False)
        self.register_buffer("item_token_ids", torch.from_numpy(space.item_codes + offsets), persistent=False)

    offsets: Tensor
    item_token_ids: Tensor

    def history_tokens(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Token ids of histories, and their attention mask. Shape: (b, H) -> (b, H T), (b, H T), bool"""
        attention_mask = (items >= 0).repeat_interleave(self.space.n_slots, dim=1)
        token_ids = self.item_token_ids[items.clamp(min=0)].flatten(1)
        return token_ids.where(attention_mask, self.pad), attention_mask

    def encode_items(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Encoder states of histories, and their attention mask. Shape: (b, H) -> (b, H T, hidden), (b, H T), bool"""
        token_ids, attention_mask = self.history_tokens(items)
        return self.encode(token_ids, attention_mask), attention_mask

    def forward(self, items: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The training loss: cross-entropy over the whole vocabulary, mean over target slots and examples.

        Args:
            items: histories, -1 in the padding. Shape: (b, H)
            labels: code indices of the target. Shape: (b, T)
        """
        target_ids = labels + self.offsets
        states = self.decode(self.prepend_start(target_ids[:, :-1]), *self.encode_items(items), use_cache=False)
        return {"loss": next_code_loss(self.logits(states), target_ids)}

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> T5Context:
        """Encode the histories once and keep the decoder's keys and values. `slots`: the slots of the canvas."""
        device, items = self.offsets.device, histories.items
        if device.type != "cpu":  # a CPU leaves out padding as it encodes
            longest = max(1, int((items >= 0).sum(axis=1).max(initial=0)))
            items = items[:, -longest:]
        token_ids, attention_mask = self.history_tokens(torch.from_numpy(items).to(device))
        return self.open_context(token_ids, attention_mask, slot_token_ids(self.space, slots).to(device))
