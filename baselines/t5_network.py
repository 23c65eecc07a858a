"""T5 over codes: the network of `tiger` (Rajput et al., 2023; sizes of the paper's comparison, spec: TIGER).

The encoder reads the codes of the history's items, one token each; the decoder writes the target's codes from left to
right, trained by next-token cross-entropy on the target only (paper eq. 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, T5Config, T5Model

from mindrec_bench.codes import CodeSpace
from mindrec_bench.contracts import Histories

from .packed_beams import beam_mask
from .vocabulary import next_code_loss, own_log_probs, places

UNSEEN = -1e9
"""Added to the attention scores of what is not to be seen; no bool mask, since T5 may add its position biases to it."""

ALIKE = 128
"""Histories that the encoder reads together, sorted by length: long enough for the cores, and little padding."""


@dataclass(frozen=True)
class T5Shape:
    """How large the network is: `layers` each of encoder and decoder, `inner` of the feed-forward, `key` a head."""

    layers: int
    hidden: int
    inner: int
    key: int
    heads: int


class T5Codes(nn.Module):
    """T5 with the codes of all slots as its vocabulary, and one more token: padding, which also starts the target.

    The embedding is the output head too, its states scaled by hidden^-1/2, as in T5ForConditionalGeneration. T5 knows
    tokens by their distance only, so when category slots are left out of the target, the first SID code follows
    the start.
    """

    def __init__(self, space: CodeSpace, shape: T5Shape, dropout: float) -> None:
        super().__init__()
        self.space, self.pad = space, space.offsets[-1]
        config = T5Config(
            vocab_size=self.pad + 1,
            d_model=shape.hidden,
            d_ff=shape.inner,
            d_kv=shape.key,
            num_heads=shape.heads,
            num_layers=shape.layers,
            dropout_rate=dropout,
            pad_token_id=self.pad,
            decoder_start_token_id=self.pad,  # type: ignore[call-arg]  # of the base class
            eos_token_id=None,
        )
        self.t5 = T5Model(config)
        self.t5.set_input_embeddings(nn.Identity())  # type: ignore[arg-type]  # tokens are embedded here
        self.embedding = nn.Embedding(self.pad + 1, shape.hidden)
        offsets = np.asarray(space.offsets[:-1])
        self.register_buffer("offsets", torch.from_numpy(offsets), persistent=False)
        self.register_buffer("item_codes", torch.from_numpy(space.item_codes + offsets), persistent=False)

    offsets: Tensor
    item_codes: Tensor

    def encode(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """Read histories: states of their tokens, and where these are no padding.

        Shape: (b, H) -> (b, H T, hidden), (b, H T), bool
        """
        there = (items >= 0).repeat_interleave(self.space.n_slots, dim=1)
        tokens = self.item_codes[items.clamp(min=0)].flatten(1).where(there, self.pad)
        order = (items >= 0).sum(dim=1).argsort(stable=True)
        parts = [self._encode_alike(tokens[rows], there[rows]) for rows in order.split(ALIKE)]
        return torch.cat(parts)[order.argsort()], there

    def _encode_alike(self, tokens: Tensor, there: Tensor) -> Tensor:
        """States of histories of similar length; zeros in the padding that all of them have.

        T5 knows places by their distance only, so that leaving padding out changes nothing.
        """
        longest = max(1, int(there.sum(dim=1).amax()))
        tokens, there, padding = tokens[:, -longest:], there[:, -longest:], tokens.shape[1] - longest
        states = self.t5.encoder(inputs_embeds=self.embedding(tokens), attention_mask=there).last_hidden_state
        return nn.functional.pad(states, (0, 0, padding, 0))

    def decode(self, tokens: Tensor, encoded: Tensor, there: Tensor, **options: Any) -> Tensor:
        """Last hidden states of target tokens; `options` go to T5's decoder.

        Shape: (b, n), (b, H T, hidden), (b, H T) -> (b, n, hidden)
        """
        return self.t5.decoder(
            inputs_embeds=self.embedding(tokens),
            encoder_hidden_states=encoded,
            encoder_attention_mask=there,
            **options,
        ).last_hidden_state

    def logits(self, states: Tensor) -> Tensor:
        """Scores of all tokens. Shape: (..., hidden) -> (..., vocabulary)"""
        return nn.functional.linear(states * states.shape[-1] ** -0.5, self.embedding.weight)

    def started(self, codes: Tensor) -> Tensor:
        """Codes with the start before them. Shape: (..., t) -> (..., 1 + t)"""
        return nn.functional.pad(codes, (1, 0), value=self.pad)

    def forward(self, items: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The training loss: cross-entropy over the whole vocabulary, mean over target slots and examples.

        Args:
            items: histories, -1 in the padding. Shape: (b, H)
            labels: code indices of the target. Shape: (b, T)
        """
        codes = labels + self.offsets
        states = self.decode(self.started(codes[:, :-1]), *self.encode(items), use_cache=False)
        return {"loss": next_code_loss(self.logits(states), codes)}

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> T5Context:
        """Run the encoder once, and keep the decoder's keys and values of it. `slots`: those on the canvas."""
        device = self.offsets.device
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        with torch.no_grad():
            encoded, there = self.encode(torch.from_numpy(histories.items).to(device))
            start = torch.full((len(histories), 1), self.pad, device=device)
            first = self.decode(start, encoded, there, past_key_values=cache, use_cache=True)
        unseen = torch.where(there, 0.0, UNSEEN)[:, None, None]
        at = places(self.space, slots).to(device)
        return T5Context(
            self, encoded, unseen, cache.cross_attention_cache, first, torch.tensor(slots, device=device), at
        )


@dataclass(frozen=True, eq=False)
class T5Context:
    """Answers for one batch of users.

    Attributes:
        network: in evaluation mode.
        encoded: states of the history's tokens. Shape: (B, H T, hidden)
        unseen: 0 where these are, `UNSEEN` in the padding. Shape: (B, 1, 1, H T)
        read: the decoder's keys and values of `encoded`.
        first: last hidden state of the start. Shape: (B, 1, hidden)
        canvas: the slots of the space on the canvas. Shape: (T,)
        places: where their codes are in the vocabulary, -1 beyond a slot's last one. Shape: (T, V)
    """

    network: T5Codes
    encoded: Tensor
    unseen: Tensor
    read: DynamicCache
    first: Tensor
    canvas: Tensor
    places: Tensor

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """log p(code in slot t | history, prefix), normalised over the whole vocabulary.

        Args:
            prefix: code indices of the first t slots of the canvas. Shape: (B, K, t), int64

        Returns:
            -inf outside slot t's codes. Shape: (B, K, V), float32
        """
        with torch.no_grad():
            states = self._last(prefix) if prefix.shape[2] else self.first.expand(-1, prefix.shape[1], -1)
            return own_log_probs(self.network.logits(states), self.places[prefix.shape[2]])

    def _last(self, prefix: Tensor) -> Tensor:
        """Last hidden state of each beam. Shape: (B, K, hidden)

        Every beam has a start of its own, since T5 counts distances by place in the sequence: they are right inside
        a beam, and other beams are not seen.
        """
        users, beams, length = prefix.shape
        tokens = self.network.started(prefix + self.network.offsets[self.canvas[:length]])
        apart = torch.where(beam_mask(beams, 1 + length, prefix.device), 0.0, UNSEEN)
        states = self.network.decode(
            tokens.flatten(1, 2),
            self.encoded,
            self.unseen,
            attention_mask=apart.expand(users, 1, -1, -1),
            past_key_values=EncoderDecoderCache(DynamicCache(), self.read),
            use_cache=True,
        )
        return states.unflatten(1, (beams, 1 + length))[:, :, -1]
