"""The network of `esasrec`: items in, scores of all items out, by the same embeddings."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.devices import search_device

from ..common.onednn_linear import onednn_linear
from .blocks import CausalBlocks
from .sequences import IGNORED, last_states


def sampled_softmax_loss(states: Tensor, weight: Tensor, labels: Tensor, negatives: Tensor) -> Tensor:
    """Cross-entropy of each label among itself and the negatives, mean over positions.

    A negative that is a position's label does not count there. No correction is needed for uniform negatives: it would
    be the same for all of them, and the scores that are best are log p(item | history) up to a constant either way.

    Args:
        states: Shape: (m, hidden)
        weight: the items' embeddings. Shape: (N, hidden)
        labels: items; positions with `IGNORED` do not count. Shape: (m,)
        negatives: items, the same for all positions. Shape: (M,)
    """
    positive = (states * functional.embedding(labels.clamp(min=0), weight)).sum(dim=-1, keepdim=True)
    scores = onednn_linear(states, functional.embedding(negatives, weight))
    scores = scores.float().masked_fill(negatives == labels[:, None], -torch.inf)
    scores = torch.cat([positive.float(), scores], dim=1)
    losses = scores.logsumexp(dim=1) - scores[:, 0]
    counted = labels != IGNORED
    return torch.where(counted, losses, 0.0).sum() / counted.sum()


def ndcg_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """1 - NDCG@10 of the labels in the rankings by score, mean over rows; a label comes after items with its score.

    Args:
        scores: Shape: (m, N)
        labels: items. Shape: (m,)
    """
    rank = (scores >= scores.gather(1, labels[:, None])).sum(dim=1)
    return 1 - torch.where(rank <= 10, 1 / torch.log2(rank + 1.0), 0.0).mean()


class NextItemNetwork(nn.Module):
    """Predicts the next item at every position of a sequence.

    Args:
        n_items: N.
        blocks: the transformer.
        validate_ranks: outside training the loss is `ndcg_loss`. A model that has begun to overfit by its
            cross-entropy may still rank better.
    """

    def __init__(self, n_items: int, blocks: CausalBlocks, *, validate_ranks: bool = False) -> None:
        super().__init__()
        self.blocks, self.validate_ranks = blocks, validate_ranks
        self.embedding = nn.Embedding(n_items, blocks.hidden)
        nn.init.normal_(self.embedding.weight, std=blocks.hidden**-0.5)

    def states(self, grid: Tensor, items: Tensor, places: Tensor) -> Tensor:
        """Hidden states at all items; for the arguments see `sequences.PackedItems`. Shape: (m, hidden)"""
        embedded = self.embedding(items.clamp(min=0)).masked_fill(items[:, None] < 0, 0.0)
        states: Tensor = self.blocks(embedded, places, grid)
        return states

    def scores(self, states: Tensor) -> Tensor:
        """Scores of the catalogue, log p up to a constant. Shape: (m, hidden) -> (m, N)"""
        return onednn_linear(states, self.embedding.weight)

    def forward(
        self,
        grid: Tensor,
        items: Tensor,
        places: Tensor,
        predicted: Tensor,
        labels: Tensor,
        negatives: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The loss, mean over predictions: sampled softmax where there are negatives, else the full cross-entropy.

        Outside training it may be that of ranks (`validate_ranks`).

        Args:
            grid, items, places, predicted, labels: see `sequences.next_item_batch`.
            negatives: Shape: (M,)
        """
        states = self.states(grid, items, places).index_select(0, predicted)
        if negatives is not None:
            return {"loss": sampled_softmax_loss(states, self.embedding.weight, labels, negatives)}
        scores = self.scores(states).float()
        if self.validate_ranks and not self.training:
            return {"loss": ndcg_loss(scores, labels)}
        return {"loss": functional.cross_entropy(scores, labels)}


@dataclass(frozen=True, eq=False)
class NextItemModel:
    """A fitted network, in evaluation mode."""

    network: NextItemNetwork

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> NextItemContext:
        """The context of a batch of users; it does not depend on the slots."""
        return NextItemContext(self, histories)


@dataclass(frozen=True, eq=False)
class NextItemContext:
    """The items context of one batch of users."""

    model: NextItemModel
    histories: Histories

    def log_probs(self) -> Tensor:
        """Log-softmax of the scores over the catalogue. Shape: (B, N), float64"""
        network = self.model.network
        device = network.embedding.weight.device
        with torch.no_grad():
            scores = network.scores(last_states(network.states, self.histories, device))
        return scores.to(search_device(device.type)).double().log_softmax(dim=-1)
