"""The two T5s of `idgenrec`, of which one learns in each phase of training while the other is frozen.

The generator reads an item's text and generates its ID. The recommender reads the IDs of a history, each followed by an
end token, and generates the next item's ID and its end. Both have the same vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import T5Config

from ..t5.encoder_decoder import T5EncoderDecoder, t5_from_config
from .subword_tokenizer import PAD, TokenIds, end_and_pad_right

PhaseKind = Literal["keywords", "generator", "recommender"]
"""What a phase trains: the generator on keywords of the items' texts, the generator through the loss of the frozen
recommender, or the recommender."""


class IdGenRecNetwork(nn.Module):
    """Generator and recommender.

    Args:
        generator, recommender: with the same vocabulary.
        texts: token ids of the items' texts, padded on the left. Shape: (N, L)
        keywords: token ids of the items' keywords, ended, padded on the right. Shape: (N, W)
        reach: how many of a history's latest items the generator is trained through.
    """

    def __init__(
        self, generator: T5EncoderDecoder, recommender: T5EncoderDecoder, *, texts: Tensor, keywords: Tensor, reach: int
    ) -> None:
        super().__init__()
        self.generator, self.recommender, self.reach = generator, recommender, reach
        self.register_buffer("texts", texts, persistent=False)
        self.register_buffer("keywords", keywords, persistent=False)
        self.register_buffer("ids", keywords, persistent=False)
        self.phase: PhaseKind = "keywords"

    texts: Tensor
    keywords: Tensor
    ids: Tensor

    @classmethod
    def for_inference(cls, config: T5Config) -> IdGenRecNetwork:
        """The network of a fitted model, with random weights and without the texts, which only training needs."""
        generator, recommender = t5_from_config(config, PAD), t5_from_config(config, PAD)
        empty = torch.zeros(1, 1, dtype=torch.int64)
        return cls(generator, recommender, texts=empty, keywords=empty, reach=1)

    def set_ids(self, ids: Sequence[TokenIds]) -> None:
        """Use these IDs, one per item and without end tokens, in histories and targets."""
        self.ids = torch.from_numpy(end_and_pad_right(ids)).to(self.ids.device)

    def set_phase(self, phase: PhaseKind) -> None:
        """Choose what is trained, and freeze the rest."""
        self.phase = phase
        self.generator.requires_grad_(phase != "recommender")
        self.recommender.requires_grad_(phase == "recommender")

    def train(self, mode: bool = True) -> Self:
        """Put the trained T5 in training mode; the frozen one stays in evaluation mode, without dropout."""
        super().train(mode)
        (self.generator if self.phase == "recommender" else self.recommender).eval()
        return self

    def forward(self, labels: Tensor, items: Tensor | None = None) -> dict[str, Tensor]:
        """The loss of the phase: cross-entropy over all tokens, mean over those of the targets and their ends.

        Args:
            labels: target items. Shape: (b,)
            items: histories, -1 in the padding; not used for keywords. Shape: (b, H)
        """
        if self.phase == "keywords" or items is None:
            texts = self.texts[labels]
            attention_mask = texts != PAD
            encoder_states = self.generator.encode(texts, attention_mask)
            return {"loss": _loss(self.generator, encoder_states, attention_mask, self.keywords[labels])}
        token_ids, attention_mask, order = self.history_tokens(items)
        if self.phase == "recommender":
            encoder_states = self.recommender.encode(token_ids, attention_mask)
        else:
            embeddings = self.expected_embeddings(items).flatten(1, 2)
            embeddings = embeddings.gather(1, order[:, :, None].expand(-1, -1, embeddings.shape[2]))
            encoder_states = self.recommender.encode_embeddings(embeddings, attention_mask)
        return {"loss": _loss(self.recommender, encoder_states, attention_mask, self.ids[labels])}

    def history_tokens(self, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Histories as the tokens of their items' IDs, all padding moved to the left.

        Args:
            items: -1 in the padding. Shape: (b, H)

        Returns:
            Token ids, their attention mask, and the position that each token was moved from. Shape of each: (b, H T)
        """
        token_ids = self.ids[items.clamp(min=0)].where((items >= 0)[:, :, None], PAD).flatten(1)
        order = (token_ids != PAD).int().argsort(dim=1, stable=True)
        token_ids = token_ids.gather(1, order)
        return token_ids, token_ids != PAD, order

    def expected_embeddings(self, items: Tensor) -> Tensor:
        """Embeddings of the IDs' tokens; those of the latest `reach` items are expectations under the generator.

        At each position of an item's ID the generator, given the tokens before it, has a distribution over tokens. The
        mean of the recommender's embeddings under that distribution lets the gradient of the recommender's loss reach
        the generator.

        Shape: (b, H) -> (b, H, T, hidden)
        """
        recent = min(self.reach, items.shape[1])
        recent_items, index = items[:, -recent:].clamp(min=0).unique(return_inverse=True)
        texts = self.texts[recent_items]
        attention_mask = texts != PAD
        prefixes = self.generator.prepend_start(self.ids[recent_items][:, :-1])
        encoder_states = self.generator.encode(texts, attention_mask)
        states = self.generator.decode(prefixes, encoder_states, attention_mask, use_cache=False)
        expected = self.generator.logits(states).softmax(dim=-1) @ self.recommender.embedding.weight
        earlier = self.recommender.embedding(self.ids[items[:, :-recent].clamp(min=0)])
        return torch.cat([earlier, expected[index]], dim=1)


def _loss(t5: T5EncoderDecoder, encoder_states: Tensor, attention_mask: Tensor, target_ids: Tensor) -> Tensor:
    states = t5.decode(t5.prepend_start(target_ids[:, :-1]), encoder_states, attention_mask, use_cache=False)
    return functional.cross_entropy(t5.logits(states).float().flatten(0, 1), target_ids.flatten(), ignore_index=PAD)
