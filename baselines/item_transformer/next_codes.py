"""The network of `rpg`: items in as sums of code embeddings, scores of each slot's codes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories

from ..common.onednn_linear import onednn_linear, patch_linears
from .blocks import CausalBlocks
from .sequences import IGNORED, last_states


class NextCodesNetwork(nn.Module):
    """Predicts all codes of the next item at every position of a sequence, each slot by itself.

    Args:
        space: the slots and the catalogue.
        blocks: the transformer.
    """

    def __init__(self, space: CodeSpace, blocks: CausalBlocks) -> None:
        super().__init__()
        self.space, self.blocks = space, blocks
        self.embedding = nn.Embedding(space.offsets[-1], blocks.hidden)
        nn.init.normal_(self.embedding.weight, std=blocks.hidden**-0.5)
        self.heads = nn.Linear(blocks.hidden, space.n_slots * blocks.hidden)
        patch_linears(self.heads)
        codes = torch.from_numpy(space.item_codes)
        self.register_buffer("item_codes", codes, persistent=False)
        offsets = torch.from_numpy(np.asarray(space.offsets[:-1]))
        self.register_buffer("item_token_ids", codes + offsets, persistent=False)

    item_codes: Tensor
    item_token_ids: Tensor

    def states(self, grid: Tensor, items: Tensor, places: Tensor) -> Tensor:
        """Hidden states at all items; for the arguments see `sequences.PackedItems`. Shape: (m, hidden)"""
        token_ids = self.item_token_ids[items.clamp(min=0)]
        embedded = functional.embedding_bag(token_ids, self.embedding.weight, mode="sum")
        states: Tensor = self.blocks(embedded.masked_fill(items[:, None] < 0, 0.0), places, grid)
        return states

    def slot_logits(self, states: Tensor) -> list[Tensor]:
        """Scores of each slot's own codes. Shape: (m, hidden) -> for each slot, (m, codes)"""
        outputs = self.heads(states).chunk(self.space.n_slots, dim=1)
        weights = self.embedding.weight.split(self.space.sizes)
        return [onednn_linear(output, weight) for output, weight in zip(outputs, weights, strict=True)]

    def forward(
        self, grid: Tensor, items: Tensor, places: Tensor, predicted: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """The loss: cross-entropy of the codes of each label, mean over slots and predictions.

        Args:
            grid, items, places, predicted, labels: see `sequences.next_item_batch`.
        """
        logits = self.slot_logits(self.states(grid, items, places).index_select(0, predicted))
        codes = self.item_codes[labels.clamp(min=0)].masked_fill(labels[:, None] < 0, IGNORED).unbind(dim=1)
        losses = [functional.cross_entropy(scores.float(), code) for scores, code in zip(logits, codes, strict=True)]
        return {"loss": torch.stack(losses).mean()}


@dataclass(frozen=True, eq=False)
class NextCodesModel:
    """A fitted network, in evaluation mode."""

    network: NextCodesNetwork

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> NextCodesContext:
        """Read the histories once. `slots`: the slots of the space on the canvas."""
        network = self.network
        device = network.embedding.weight.device
        with torch.no_grad():
            logits = network.slot_logits(last_states(network.states, histories, device))
        width = max(network.space.sizes[slot] for slot in slots)
        rows = [logits[slot].log_softmax(dim=1) for slot in slots]
        return NextCodesContext([functional.pad(row, (0, width - row.shape[1]), value=-torch.inf) for row in rows])


@dataclass(frozen=True, eq=False)
class NextCodesContext:
    """The denoiser context of one batch of users.

    Attributes:
        by_slot: for each slot of the canvas, log p(code | history). Shape: (B, V), float32
    """

    by_slot: list[Tensor]

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """log p(code in slot | history), whatever is revealed; see `DenoiserContext.log_probs`.

        Normalised over the slot's own codes. Shape: (B, K, S, V)
        """
        by_slot = torch.stack([self.by_slot[slot] for slot in slots], dim=1)
        return by_slot[:, None].expand(-1, revealed.shape[1], -1, -1)
