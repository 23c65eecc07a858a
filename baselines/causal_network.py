"""A causal stack of blocks over codes: the from-scratch network of `llama3` and `qwen2.5` (spec: sizes).

One position stands for a history item, then a start position, then the target's codes from left to right. Each position
from the start on predicts the next code; trained by next-token cross-entropy on the target only (paper eq. 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from mindrec_bench.codes import CodeSpace
from mindrec_bench.contracts import Histories
from mindrec_bench.data.dataset import HISTORY

from .code_blocks import CodeBlocks
from .packed_beams import beam_mask
from .vocabulary import next_code_loss, own_log_probs

PROMPT = HISTORY + 1
"""Positions before the first code: the history and the start."""


class CausalNetwork(CodeBlocks):
    """Predicts the next code from the history and the codes so far.

    The embedding has one more row, the start. A code keeps its position number when earlier slots are left out.
    """

    def __init__(self, space: CodeSpace, blocks: PreTrainedModel, dropout: float) -> None:
        super().__init__(space, blocks, dropout, extra=1)

    def prompt(self, items: Tensor) -> tuple[Tensor, Tensor]:
        """The embedded history and start, and where there is no padding. Shapes: (b, P, hidden), (b, P), bool"""
        start = self.embedding.weight[self.vocabulary].expand(len(items), 1, -1)
        seen = torch.cat([items >= 0, items.new_ones(len(items), 1, dtype=torch.bool)], dim=1)
        return torch.cat([self.embed_items(items), start], dim=1), seen

    def forward(self, items: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The training loss: cross-entropy over the whole vocabulary, mean over target slots and examples.

        Args:
            items: histories, -1 in the padding. Shape: (b, H)
            labels: code indices of the target. Shape: (b, T)
        """
        codes = labels + self.offsets
        prompt, seen = self.prompt(items)
        inputs = torch.cat([prompt, self.embedding(codes[:, :-1])], dim=1)
        seen = torch.cat([seen, seen.new_ones(labels[:, :-1].shape)], dim=1)
        positions = torch.arange(inputs.shape[1], device=items.device)
        states = self.run_alike(inputs, seen=seen, mask=causal_mask, positions=positions, last=labels.shape[1])
        return {"loss": next_code_loss(self.logits(self.dropout(states)), codes)}

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> CausalCodes:
        """Read the histories once, keeping keys and values. `slots`: the slots that are in the input at all."""
        device = self.offsets.device
        cache = DynamicCache()
        with torch.no_grad():
            prompt, seen = self.prompt(torch.from_numpy(histories.items).to(device))
            positions = torch.arange(PROMPT, device=device)
            states = self.run(prompt, mask=causal_mask(seen), positions=positions, cache=cache)
        return CausalCodes(
            network=self,
            read=tuple((keys, values) for keys, values, *_ in cache),
            seen=seen,
            first=states[:, -1:],
            canvas=torch.tensor(slots, device=device),
            places=self.places(slots),
        )


def causal_mask(seen: Tensor) -> Tensor:
    """Each position sees the earlier ones that are no padding, and itself: a row that sees nothing would be NaN.

    Shape: (b, n), bool -> (b, 1, n, n), bool
    """
    position = torch.arange(seen.shape[1], device=seen.device)
    earlier = position[:, None] > position
    return ((earlier & seen[:, None]) | (position[:, None] == position))[:, None]


@dataclass(frozen=True, eq=False)
class CausalCodes:
    """Answers for one batch of users.

    Attributes:
        network: in evaluation mode.
        read: keys and values of history and start in each layer. Shapes: (B, heads, P, hidden / heads)
        seen: where these are no padding. Shape: (B, P)
        first: last hidden state of the start. Shape: (B, 1, hidden)
        canvas: the slots of the space on the canvas. Shape: (T,)
        places: where their codes are in the vocabulary, -1 beyond a slot's last one. Shape: (T, V)
    """

    network: CausalNetwork
    read: tuple[tuple[Tensor, Tensor], ...]
    seen: Tensor
    first: Tensor
    canvas: Tensor
    places: Tensor

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """log p(code in slot t | history, prefix), normalised over the code vocabulary of all slots.

        Only the prefix goes through the network; the history's keys and values are shared by all beams.

        Args:
            prefix: code indices of the first t slots of the canvas. Shape: (B, K, t), int64

        Returns:
            -inf outside slot t's codes. Shape: (B, K, V), float32
        """
        with torch.no_grad():
            states = self._last(prefix) if prefix.shape[2] else self.first.expand(-1, prefix.shape[1], -1)
            return own_log_probs(self.network.logits(states), self.places[prefix.shape[2]])

    def _last(self, prefix: Tensor) -> Tensor:
        """Last hidden state of the last code of each beam. Shape: (B, K, hidden)"""
        users, beams, length = prefix.shape
        slots = self.canvas[:length]
        own = beam_mask(beams, length, prefix.device)[None, None].expand(users, -1, -1, -1)
        mask = torch.cat([self.seen[:, None, None].expand(-1, -1, beams * length, -1), own], dim=-1)
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(self.read):
            cache.update(keys, values, layer)
        states = self.network.run(
            self.network.embedding(prefix + self.network.offsets[slots]).flatten(1, 2),
            mask=mask,
            positions=(PROMPT + slots).repeat(beams),
            cache=cache,
        )
        return states.unflatten(1, (beams, length))[:, :, -1]
