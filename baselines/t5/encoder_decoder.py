"""A T5 encoder-decoder that encodes a user's history once and then answers for the next token of many beams.

It does not depend on what the vocabulary is: `Seq2SeqCodeLM` (`tiger`) has the codes of the data's slots, `idgenrec`
the tokens of a subword tokenizer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, T5Config, T5Model

from ..common.onednn_linear import onednn_linear, patch_linears
from ..common.packed_beams import beam_mask
from ..common.vocabulary import slot_log_probs
from .sizes import T5Size

MASKED_SCORE = -1e9
"""Added to masked attention scores; not a bool mask, because T5 may add its position biases to the mask."""

BUCKET_SIZE = 128
"""Histories of similar length that are encoded together: enough to keep all cores busy, with little padding."""


def t5_config(size: T5Size, *, vocabulary: int, pad: int, dropout: float) -> T5Config:
    """The configuration of a T5.

    Args:
        size: the network's shape.
        vocabulary: number of tokens.
        pad: the padding token, which also starts the target.
        dropout: in every block.
    """
    return T5Config(
        vocab_size=vocabulary,
        d_model=size.hidden,
        d_ff=size.feed_forward,
        d_kv=size.head_width,
        num_heads=size.heads,
        num_layers=size.layers,
        dropout_rate=dropout,
        pad_token_id=pad,
        decoder_start_token_id=pad,  # type: ignore[call-arg]  # of the base class
        eos_token_id=None,
    )


def t5_from_config(config: T5Config, pad: int) -> T5EncoderDecoder:
    """A network with random weights; `pad` as in `t5_config`."""
    return T5EncoderDecoder(T5Model(config), nn.Embedding(config.vocab_size, config.d_model), pad)


class T5EncoderDecoder(nn.Module):
    """T5 with a tied output head; its states are scaled by hidden^-1/2, as in T5ForConditionalGeneration."""

    def __init__(self, t5: T5Model, embedding: nn.Embedding, pad: int) -> None:
        super().__init__()
        self.pad = pad
        self.t5 = t5
        self.t5.set_input_embeddings(nn.Identity())  # type: ignore[arg-type]  # tokens are embedded here
        patch_linears(self.t5)
        self.embedding = embedding

    def encode(self, token_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Encoder states. `attention_mask`: False in the padding, which is on the left.

        Shape: (b, n), (b, n) -> (b, n, hidden)
        """
        return self.encode_embeddings(self.embedding(token_ids), attention_mask)

    def encode_embeddings(self, embeddings: Tensor, attention_mask: Tensor) -> Tensor:
        """Encoder states from the tokens' embeddings. Shape: (b, n, hidden), (b, n) -> (b, n, hidden)

        On a CPU, histories of similar length are encoded together; a GPU would have to wait for the lengths.
        """
        if embeddings.device.type != "cpu":
            whole: Tensor = self.t5.encoder(inputs_embeds=embeddings, attention_mask=attention_mask).last_hidden_state
            return whole
        order = attention_mask.sum(dim=1).argsort(stable=True)
        states = [self._encode_bucket(embeddings[rows], attention_mask[rows]) for rows in order.split(BUCKET_SIZE)]
        return torch.cat(states)[order.argsort()]

    def _encode_bucket(self, embeddings: Tensor, attention_mask: Tensor) -> Tensor:
        """Encoder states of histories of similar length; zeros in the padding that they have in common.

        T5 encodes relative positions only, so leaving padding out changes nothing.
        """
        longest = max(1, int(attention_mask.sum(dim=1).amax()))
        padding = embeddings.shape[1] - longest
        states = self.t5.encoder(
            inputs_embeds=embeddings[:, -longest:], attention_mask=attention_mask[:, -longest:]
        ).last_hidden_state
        return nn.functional.pad(states, (0, 0, padding, 0))

    def decode(
        self, token_ids: Tensor, encoder_states: Tensor, encoder_attention_mask: Tensor, **options: Any
    ) -> Tensor:
        """Last hidden states of target tokens.

        Args:
            token_ids: of the target. Shape: (b, t)
            encoder_states: from `encode`. Shape: (b, n, hidden)
            encoder_attention_mask: False in the padding. Shape: (b, n)
            options: passed on to T5's decoder.

        Returns:
            Shape: (b, t, hidden)
        """
        return self.t5.decoder(
            inputs_embeds=self.embedding(token_ids),
            encoder_hidden_states=encoder_states,
            encoder_attention_mask=encoder_attention_mask,
            **options,
        ).last_hidden_state

    def logits(self, states: Tensor) -> Tensor:
        """Scores of all tokens. Shape: (..., hidden) -> (..., vocabulary)"""
        return onednn_linear(states * states.shape[-1] ** -0.5, self.embedding.weight)

    def prepend_start(self, token_ids: Tensor) -> Tensor:
        """Target tokens after the start token. Shape: (..., t) -> (..., 1 + t)"""
        return nn.functional.pad(token_ids, (1, 0), value=self.pad)

    def open_context(self, token_ids: Tensor, attention_mask: Tensor, slot_token_ids: Tensor) -> T5Context:
        """Encode histories once and keep the decoder's keys and values of them.

        Args:
            token_ids, attention_mask: as in `encode`.
            slot_token_ids: see `T5Context`.
        """
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        with torch.no_grad():
            encoder_states = self.encode(token_ids, attention_mask)
            start = torch.full((len(token_ids), 1), self.pad, device=token_ids.device)
            start_state = self.decode(start, encoder_states, attention_mask, past_key_values=cache, use_cache=True)
        return T5Context(
            network=self,
            encoder_states=encoder_states,
            encoder_mask=torch.where(attention_mask, 0.0, MASKED_SCORE)[:, None, None],
            cross_attention_cache=cache.cross_attention_cache,
            start_state=start_state,
            slot_token_ids=slot_token_ids,
        )


@dataclass(frozen=True, eq=False)
class T5Context:
    """The causal context of one batch of users.

    Attributes:
        network: in evaluation mode.
        encoder_states: of the histories' tokens. Shape: (B, n, hidden)
        encoder_mask: added to the scores of cross-attention: `MASKED_SCORE` in the padding, else 0.
            Shape: (B, 1, 1, n)
        cross_attention_cache: the decoder's keys and values of `encoder_states`.
        start_state: last hidden state of the start token. Shape: (B, 1, hidden)
        slot_token_ids: the token of each code of the canvas's slots, -1 beyond a slot's last code. Shape: (T, V)
    """

    network: T5EncoderDecoder
    encoder_states: Tensor
    encoder_mask: Tensor
    cross_attention_cache: DynamicCache
    start_state: Tensor
    slot_token_ids: Tensor

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """log p(code in slot t | history, prefix), normalised over the whole vocabulary.

        Args:
            prefix: code indices of the first t slots of the canvas. Shape: (B, K, t), int64

        Returns:
            -inf outside slot t's codes. Shape: (B, K, V), float32
        """
        with torch.no_grad():
            states = self._last_states(prefix) if prefix.shape[2] else self.start_state.expand(-1, prefix.shape[1], -1)
            return slot_log_probs(self.network.logits(states), self.slot_token_ids[prefix.shape[2]])

    def _last_states(self, prefix: Tensor) -> Tensor:
        """Last hidden state of each beam. Shape: (B, K, hidden)

        Each beam has a start token of its own: T5's relative positions count places in the packed sequence, so they
        are right inside a beam, and other beams are masked.
        """
        users, beams, length = prefix.shape
        slots = torch.arange(length, device=prefix.device)
        token_ids = self.network.prepend_start(self.slot_token_ids[slots, prefix])
        self_attention_mask = torch.where(beam_mask(beams, 1 + length, prefix.device), 0.0, MASKED_SCORE)
        states = self.network.decode(
            token_ids.flatten(1, 2),
            self.encoder_states,
            self.encoder_mask,
            attention_mask=self_attention_mask.expand(users, 1, -1, -1),
            past_key_values=EncoderDecoderCache(DynamicCache(), self.cross_attention_cache),
            use_cache=True,
        )
        return states.unflatten(1, (beams, 1 + length))[:, :, -1]
