"""A causal stack of blocks over codes: the from-scratch network of `llama3` and `qwen2.5` (spec: sizes).

One position stands for a history item, then a start position, then the target's codes from left to right. Each position
from the start on predicts the next code; trained by next-token cross-entropy on the target only (paper eq. 1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

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


@dataclass(eq=False)
class Written:
    """What beams have written so far.

    Attributes:
        prefix: their codes. Shape: (B, K, t)
        kept: keys and values of these in each layer. Shapes: (B, heads, K, t, hidden / heads)
    """

    prefix: Tensor
    kept: list[tuple[Tensor, Tensor]]


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
        written: of the last question, if it was kept.
    """

    network: CausalNetwork
    read: tuple[tuple[Tensor, Tensor], ...]
    seen: Tensor
    first: Tensor
    canvas: Tensor
    places: Tensor
    written: list[Written] = field(default_factory=list)

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
            return own_log_probs(self.network.logits(states), self.places[prefix.shape[2]])

    def _last(self, prefix: Tensor) -> Tensor:
        """Last hidden state of the last code of each beam. Shape: (B, K, hidden)"""
        users, beams, length = prefix.shape
        known = self._known(prefix)
        done = known[0][0].shape[3] if known else 0
        slots = self.canvas[done:length]
        own = beam_mask(beams, length - done, prefix.device, done=done)[None, None].expand(users, -1, -1, -1)
        mask = torch.cat([self.seen[:, None, None].expand(-1, -1, own.shape[2], -1), own], dim=-1)
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(self.read):
            for of_beams in known[layer : layer + 1]:
                keys = torch.cat([keys, of_beams[0].flatten(2, 3)], dim=2)
                values = torch.cat([values, of_beams[1].flatten(2, 3)], dim=2)
            cache.update(keys, values, layer)
        states = self.network.run(
            self.network.embedding(prefix[:, :, done:] + self.network.offsets[slots]).flatten(1, 2),
            mask=mask,
            positions=(PROMPT + slots).repeat(beams),
            cache=cache,
        )
        self._keep(prefix, known, cache, length - done)
        return states.unflatten(1, (beams, length - done))[:, :, -1]

    def _known(self, prefix: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of all codes but the last, from the beams that wrote them; empty where these are not known.

        Not on a GPU: whether they are would have to be waited for.
        """
        for written in self.written:
            if written.prefix.shape[2] != prefix.shape[2] - 1:
                break
            parents = (prefix[:, :, None, :-1] == written.prefix[:, None]).all(dim=3)
            if not bool(parents.any(dim=2).all()):
                break
            parent = parents.byte().argmax(dim=2)[:, None, :, None, None]
            return [(_of(parent, keys), _of(parent, values)) for keys, values in written.kept]
        return []

    def _keep(self, prefix: Tensor, known: list[tuple[Tensor, Tensor]], cache: DynamicCache, length: int) -> None:
        """Remember the question's beams: what was known and the `length` codes a beam that were new."""
        if prefix.device.type != "cpu":
            return
        shape = (prefix.shape[1], length)
        kept = []
        for layer, (keys, values, *_) in enumerate(cache):
            new = [part[:, :, -shape[0] * length :].unflatten(2, shape) for part in (keys, values)]
            before = known[layer] if known else ()
            pairs = [torch.cat([old, part], dim=3) for old, part in zip(before, new, strict=True)] if known else new
            kept.append((pairs[0], pairs[1]))
        self.written[:] = [Written(prefix, kept)]


def _of(parent: Tensor, kept: Tensor) -> Tensor:
    """What parents kept. Shapes: (B, 1, K, 1, 1), (B, heads, K', t, channels) -> (B, heads, K, t, channels)"""
    return kept.gather(2, parent.expand(-1, kept.shape[1], -1, *kept.shape[3:]))
