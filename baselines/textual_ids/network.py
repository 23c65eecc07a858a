"""The two T5s of `idgenrec`, and the phases in which one learns while the other stands still.

The generator reads an item's text and writes its ID. The recommender reads the IDs of a history, each with its end,
and writes the next item's ID and its end. Both have the same tokens.
"""

from __future__ import annotations

from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..t5.encoder_decoder import T5Reader
from .subwords import PAD

Phase = Literal["keywords", "generator", "recommender"]
"""The generator learns salient words of the texts; it learns through the recommender; the recommender learns."""


class IdNetwork(nn.Module):
    """Generator and recommender.

    Args:
        generator, recommender: over the same tokens.
        texts: tokens of the items' texts, padding on the left. Shape: (N, L)
        words: keywords of the items, ended, padding on the right. Shape: (N, W)
        reach: how many of a history's latest items the generator is judged by.
    """

    def __init__(self, generator: T5Reader, recommender: T5Reader, *, texts: Tensor, words: Tensor, reach: int) -> None:
        super().__init__()
        self.generator, self.recommender, self.reach = generator, recommender, reach
        self.register_buffer("texts", texts, persistent=False)
        self.register_buffer("words", words, persistent=False)
        self.register_buffer("ids", words, persistent=False)
        self.phase: Phase = "keywords"

    texts: Tensor
    words: Tensor
    ids: Tensor

    def enter(self, phase: Phase) -> Self:
        """Let one part learn and freeze the other."""
        self.phase = phase
        self.generator.requires_grad_(phase != "recommender")
        self.recommender.requires_grad_(phase == "recommender")
        return self

    def train(self, mode: bool = True) -> Self:
        """Training mode for the part that learns only: the frozen one drops nothing out."""
        super().train(mode)
        (self.generator if self.phase == "recommender" else self.recommender).eval()
        return self

    def forward(self, labels: Tensor, items: Tensor | None = None) -> dict[str, Tensor]:
        """The loss of the phase: cross-entropy over all tokens, mean over the target's, its end included.

        Args:
            labels: the items to write. Shape: (b,)
            items: histories, -1 in the padding; not for keywords. Shape: (b, H)
        """
        if self.phase == "keywords" or items is None:
            texts = self.texts[labels]
            there = texts != PAD
            return {"loss": _loss(self.generator, self.generator.read(texts, there), there, self.words[labels])}
        tokens, there, order = self.history(items)
        if self.phase == "recommender":
            encoded = self.recommender.read(tokens, there)
        else:
            vectors = self._soft(items).flatten(1, 2)
            vectors = vectors.gather(1, order[:, :, None].expand(-1, -1, vectors.shape[2]))
            encoded = self.recommender.read_vectors(vectors, there)
        return {"loss": _loss(self.recommender, encoded, there, self.ids[labels])}

    def history(self, items: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Histories as the IDs of their items, all padding moved to the left.

        Args:
            items: -1 in the padding. Shape: (b, H)

        Returns:
            Tokens, where these are no padding, and the place that each was moved from. Shape of each: (b, H T)
        """
        tokens = self.ids[items.clamp(min=0)].where((items >= 0)[:, :, None], PAD).flatten(1)
        order = (tokens != PAD).int().argsort(dim=1, stable=True)
        tokens = tokens.gather(1, order)
        return tokens, tokens != PAD, order

    def _soft(self, items: Tensor) -> Tensor:
        """Vectors of the IDs' tokens, those of the latest items as the generator expects them.

        For each token of an item's ID the generator, told the tokens before it, has a distribution; the mean of the
        recommender's vectors under it lets the recommender's loss reach the generator.

        Shape: (b, H) -> (b, H, T, hidden)
        """
        recent = min(self.reach, items.shape[1])
        shown, place = items[:, -recent:].clamp(min=0).unique(return_inverse=True)
        texts = self.texts[shown]
        there = texts != PAD
        before = self.generator.started(self.ids[shown][:, :-1])
        states = self.generator.decode(before, self.generator.read(texts, there), there, use_cache=False)
        expected = self.generator.logits(states).softmax(dim=-1) @ self.recommender.embedding.weight
        known = self.recommender.embedding(self.ids[items[:, :-recent].clamp(min=0)])
        return torch.cat([known, expected[place]], dim=1)


def _loss(reader: T5Reader, encoded: Tensor, there: Tensor, target: Tensor) -> Tensor:
    states = reader.decode(reader.started(target[:, :-1]), encoded, there, use_cache=False)
    return functional.cross_entropy(reader.logits(states).float().flatten(0, 1), target.flatten(), ignore_index=PAD)
