"""T5 as an encoder that reads a user's history once and a decoder that is asked for the next code of many beams.

Whatever the vocabulary is: `t5_network` has the codes of the data's slots, `id_network` the words of a tokenizer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, T5Config, T5Model

from ..common.onednn_linear import linear, patch_linears
from ..common.packed_beams import beam_mask
from ..common.vocabulary import slot_log_probs

UNSEEN = -1e9
"""Added to the attention scores of what is not to be seen; no bool mask, since T5 may add its position biases to it."""

BUCKET_SIZE = 128
"""Histories that the encoder reads together, sorted by length: long enough for the cores, and little padding."""


@dataclass(frozen=True)
class T5Shape:
    """How large the network is: `layers` each of encoder and decoder, `inner` of the feed-forward, `key` a head."""

    layers: int
    hidden: int
    inner: int
    key: int
    heads: int

    def config(self, vocabulary: int, pad: int, dropout: float) -> T5Config:
        """T5's configuration; `pad`, the token of the padding, also starts the target."""
        return T5Config(
            vocab_size=vocabulary,
            d_model=self.hidden,
            d_ff=self.inner,
            d_kv=self.key,
            num_heads=self.heads,
            num_layers=self.layers,
            dropout_rate=dropout,
            pad_token_id=pad,
            decoder_start_token_id=pad,  # type: ignore[call-arg]  # of the base class
            eos_token_id=None,
        )


class T5Reader(nn.Module):
    """T5 whose embedding is the output head too, its states scaled by hidden^-1/2, as in T5ForConditionalGeneration."""

    def __init__(self, t5: T5Model, embedding: nn.Embedding, pad: int) -> None:
        super().__init__()
        self.pad = pad
        self.t5 = t5
        self.t5.set_input_embeddings(nn.Identity())  # type: ignore[arg-type]  # tokens are embedded here
        patch_linears(self.t5)
        self.embedding = embedding

    def read(self, tokens: Tensor, there: Tensor) -> Tensor:
        """States of the encoder. `there`: False in the padding, which stands on the left.

        Shape: (b, n), (b, n) -> (b, n, hidden)
        """
        return self.read_vectors(self.embedding(tokens), there)

    def read_vectors(self, vectors: Tensor, there: Tensor) -> Tensor:
        """The same from the tokens' vectors. Shape: (b, n, hidden), (b, n) -> (b, n, hidden)"""
        order = there.sum(dim=1).argsort(stable=True)
        parts = [self._read_alike(vectors[rows], there[rows]) for rows in order.split(BUCKET_SIZE)]
        return torch.cat(parts)[order.argsort()]

    def _read_alike(self, vectors: Tensor, there: Tensor) -> Tensor:
        """States of histories of similar length; zeros in the padding that all of them have.

        T5 knows places by their distance only, so that leaving padding out changes nothing.
        """
        longest = max(1, int(there.sum(dim=1).amax()))
        vectors, there, padding = vectors[:, -longest:], there[:, -longest:], vectors.shape[1] - longest
        states = self.t5.encoder(inputs_embeds=vectors, attention_mask=there).last_hidden_state
        return nn.functional.pad(states, (0, 0, padding, 0))

    def decode(self, tokens: Tensor, encoded: Tensor, there: Tensor, **options: Any) -> Tensor:
        """Last hidden states of target tokens; `options` go to T5's decoder.

        Shape: (b, t), (b, n, hidden), (b, n) -> (b, t, hidden)
        """
        return self.t5.decoder(
            inputs_embeds=self.embedding(tokens),
            encoder_hidden_states=encoded,
            encoder_attention_mask=there,
            **options,
        ).last_hidden_state

    def logits(self, states: Tensor) -> Tensor:
        """Scores of all tokens. Shape: (..., hidden) -> (..., vocabulary)"""
        return linear(states * states.shape[-1] ** -0.5, self.embedding.weight)

    def started(self, codes: Tensor) -> Tensor:
        """Codes with the start before them. Shape: (..., t) -> (..., 1 + t)"""
        return nn.functional.pad(codes, (1, 0), value=self.pad)

    def context(self, tokens: Tensor, there: Tensor, places: Tensor) -> T5Context:
        """Read histories once, and keep the decoder's keys and values of them.

        Args:
            tokens, there: as in `read`.
            places: see `T5Context`.
        """
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        with torch.no_grad():
            encoded = self.read(tokens, there)
            start = torch.full((len(tokens), 1), self.pad, device=tokens.device)
            first = self.decode(start, encoded, there, past_key_values=cache, use_cache=True)
        unseen = torch.where(there, 0.0, UNSEEN)[:, None, None]
        return T5Context(self, encoded, unseen, cache.cross_attention_cache, first, places)


@dataclass(frozen=True, eq=False)
class T5Context:
    """Answers for one batch of users.

    Attributes:
        network: in evaluation mode.
        encoded: states of the history's tokens. Shape: (B, n, hidden)
        unseen: 0 where these are, `UNSEEN` in the padding. Shape: (B, 1, 1, n)
        read: the decoder's keys and values of `encoded`.
        first: last hidden state of the start. Shape: (B, 1, hidden)
        places: the token of each code of the slots on the canvas, -1 beyond a slot's last one. Shape: (T, V)
    """

    network: T5Reader
    encoded: Tensor
    unseen: Tensor
    read: DynamicCache
    first: Tensor
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
            return slot_log_probs(self.network.logits(states), self.places[prefix.shape[2]])

    def _last(self, prefix: Tensor) -> Tensor:
        """Last hidden state of each beam. Shape: (B, K, hidden)

        Every beam has a start of its own, since T5 counts distances by place in the sequence: they are right inside
        a beam, and other beams are not seen.
        """
        users, beams, length = prefix.shape
        slots = torch.arange(length, device=prefix.device)
        tokens = self.network.started(self.places[slots, prefix])
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
