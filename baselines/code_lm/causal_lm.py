"""A causal stack of blocks over codes: the from-scratch network of `llama3` and `qwen2.5` (spec: sizes).

One position stands for a history item, then a start position, then the target's codes from left to right. Each position
from the start on predicts the next code; trained by next-token cross-entropy on the target only (paper eq. 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import PreTrainedModel

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import HISTORY, Histories

from ..common.packed_beams import beam_mask
from ..common.vocabulary import next_code_loss, slot_log_probs
from .llama_blocks import KeysValues, LlamaBlocks
from .transformer import CodeTransformer

PROMPT = HISTORY + 1
"""Positions before the first code: the history and the start."""


class CausalCodeLM(CodeTransformer):
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
        states = self.run_length_bucketed(
            inputs, seen=seen, mask=causal_mask, positions=positions, last=labels.shape[1]
        )
        return {"loss": next_code_loss(self.logits(self.dropout(states)), codes)}

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> CausalInference:
        """Read the histories once, keeping keys and values. `slots`: the slots that are in the input at all."""
        device = self.offsets.device
        longest = int((histories.items >= 0).sum(axis=1).max(initial=0))
        with torch.no_grad():
            blocks = LlamaBlocks.of(self.blocks)
            prompt, seen = self.prompt(torch.from_numpy(histories.items[:, HISTORY - longest :]).to(device))
            positions = torch.arange(HISTORY - longest, PROMPT, device=device)
            first, kept = blocks.write(prompt, positions, causal_mask(seen), positions[-1:] - positions[0])
        nothing = torch.empty(len(prompt), 1, 0, dtype=torch.int64, device=device)
        return CausalInference(
            network=self,
            blocks=blocks,
            read=CausalCache(nothing, kept, seen[:, None]),
            first=first,
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
class CausalCache:
    """What a search has sent through the network so far: history and start, then the codes of each step's beams.

    Keys and values stay where they are as beams drop out, multiply and change places; what a beam sees of them is its
    own past.

    Attributes:
        prefix: the codes of each beam. Shape: (B, K, t), int64
        kept: keys and values in each layer. Shapes: (B, heads, n, hidden / heads)
        sees: which of them each beam sees. Shape: (B, K, n), bool
    """

    prefix: Tensor
    kept: KeysValues
    sees: Tensor


@dataclass(frozen=True, eq=False)
class CausalInference:
    """Answers for one batch of users.

    Attributes:
        network: in evaluation mode.
        blocks: its blocks.
        read: history and start, before one beam without codes.
        first: last hidden state of the start. Shape: (B, 1, hidden)
        canvas: the slots of the space on the canvas. Shape: (T,)
        places: where their codes are in the vocabulary, -1 beyond a slot's last one. Shape: (T, V)
        written: by the last question, if it was kept.
    """

    network: CausalCodeLM
    blocks: LlamaBlocks
    read: CausalCache
    first: Tensor
    canvas: Tensor
    places: Tensor
    written: list[CausalCache] = field(default_factory=list)

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        """log p(code in slot t | history, prefix), normalised over the code vocabulary of all slots.

        Only the prefix goes through the network, and of it only the last code where the question before was about the
        codes before; the history's keys and values are shared by all beams.

        Args:
            prefix: code indices of the first t slots of the canvas. Shape: (B, K, t), int64

        Returns:
            -inf outside slot t's codes. Shape: (B, K, V), float32
        """
        with torch.no_grad():
            states = self._last(prefix) if prefix.shape[2] else self.first.expand(-1, prefix.shape[1], -1)
            return slot_log_probs(self.network.logits(states), self.places[prefix.shape[2]])

    def _last(self, prefix: Tensor) -> Tensor:
        """Last hidden state of the last code of each beam. Shape: (B, K, hidden)"""
        users, beams, length = prefix.shape
        written, parent = self._known(prefix)
        done = written.prefix.shape[2]
        new, slots = length - done, self.canvas[done:length]
        before = written.sees.gather(1, parent[..., None].expand(-1, -1, written.sees.shape[2]))
        own = beam_mask(beams, new, prefix.device).expand(users, -1, -1)
        sees = torch.cat([before.repeat_interleave(new, dim=1), own], dim=2)
        last = torch.arange(new - 1, beams * new, new, device=prefix.device)
        states, kept = self.blocks.write(
            self.network.embedding(prefix[:, :, done:] + self.network.offsets[slots]).flatten(1, 2),
            (PROMPT + slots).repeat(beams),
            sees[:, None],
            last,
            written.kept,
        )
        if prefix.device.type == "cpu":
            self.written[:] = [CausalCache(prefix, kept, sees[:, last])]
        return states

    def _known(self, prefix: Tensor) -> tuple[CausalCache, Tensor]:
        """What to go on from, and whose place each beam takes there, (B, K): all codes but the last, or none.

        None on a GPU: whether the codes are known would have to be waited for.
        """
        for written in self.written:
            if written.prefix.shape[2] == prefix.shape[2] - 1:
                parents = (prefix[:, :, None, :-1] == written.prefix[:, None]).all(dim=3)
                if bool(parents.any(dim=2).all()):
                    return written, parents.byte().argmax(dim=2)
        return self.read, torch.zeros_like(prefix[:, :, 0])
