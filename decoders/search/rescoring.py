"""Score finished sequences anew by the mean over several reveal orders (docs/semantics.md, Decoding).

A consistent model gives a sequence the same log-probability in every order. A trained masked model does not, and the
order that a search took is the one in which the sequence looked best.

Random orders (`adaptive:rescore=r`) average over r of them. The reverse (`adaptive:reverse=yes`) averages over the
search's own order and its reverse: orders from the most to the least certain slot err in the same way, and in the
reverse order each slot is filled knowing exactly what it was filled without before, so that many of these errors
cancel, at the cost of one more order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking

from .options import Normalise
from .results import rerank
from .scores import as_scores


def random_reveal_orders(canvas: Canvas, count: int) -> list[tuple[int, ...]]:
    """`count` different orders of the masked slots, drawn with the canvas's seed, or all orders if there are fewer.

    Categories stay first, from left to right.
    """
    masked = (canvas.start[0] == MASK).nonzero()[:, 0].tolist()
    categories = [slot for slot in masked if slot < canvas.n_categories]
    sids = masked[len(categories) :]
    rng = np.random.default_rng(canvas.seed)
    orders: dict[tuple[int, ...], None] = {}
    while len(orders) < min(count, math.factorial(len(sids))):
        orders[*categories, *rng.permutation(sids).tolist()] = None
    return list(orders)


def rescore_over_orders(
    context: DenoiserContext, canvas: Canvas, ranking: Ranking, *, orders: list[tuple[int, ...]], normalise: Normalise
) -> Ranking:
    """Rank the results of a search by the mean over `orders` of the sum of conditional log-probabilities.

    Orders that have revealed the same slots share a forward pass, so there is one pass for each set of revealed slots.
    """
    next_slots: dict[frozenset[int], Counter[int]] = {}
    for order in orders:
        for position, slot in enumerate(order):
            next_slots.setdefault(frozenset(order[:position]), Counter())[slot] += 1
    total = torch.zeros_like(ranking.scores)
    for revealed, counts in next_slots.items():
        states = ranking.codes.clone()
        for slot in set(orders[0]) - revealed:
            states[:, :, slot] = MASK
        slots = tuple(sorted(counts))
        log_probs = _log_probs_of_codes(context.log_probs(states, slots), slots, ranking.codes, normalise)
        for index, slot in enumerate(slots):
            total += counts[slot] * log_probs[:, :, index]
    return rerank(ranking, total / len(orders))


@dataclass(frozen=True, eq=False)
class RecordedCall:
    """The arguments and the result of one call of `DenoiserContext.log_probs`.

    Attributes:
        states: code indices, `MASK` where nothing is revealed. Shape: (B, K, T)
        slots: the S slots asked for.
        log_probs: the result. Shape: (B, K, S, V)
    """

    states: Tensor
    slots: tuple[int, ...]
    log_probs: Tensor


@dataclass(frozen=True, eq=False)
class RecordingContext:
    """A context that records every call of a search."""

    context: DenoiserContext
    calls: list[RecordedCall] = field(default_factory=list)

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """See `DenoiserContext.log_probs`."""
        log_probs = self.context.log_probs(revealed, slots)
        self.calls.append(RecordedCall(revealed, tuple(slots), log_probs))
        return log_probs


def reverse_rescore(
    recording: RecordingContext, ranking: Ranking, *, n_categories: int, normalise: Normalise
) -> Ranking:
    """Rank the results of a search by the mean of its reveal order and the reverse; one more pass per SID slot.

    Args:
        recording: the calls of the search, in which each beam filled one slot per step and no two beams could end in
            the same sequence.
        ranking: the results of the search.
        n_categories: how many leading slots are category slots; they keep their order and their score.
        normalise: as in the search.
    """
    calls = [call for call in recording.calls if call.slots[0] >= n_categories]
    if not calls:
        return ranking
    ancestors = [_ancestors(ranking.codes, call.states) for call in calls]
    masked = [_take_beams(call.states == MASK, beams) for call, beams in zip(calls, ancestors, strict=True)]
    masked_after = [*masked[1:], torch.zeros_like(masked[0])]
    change = torch.zeros_like(ranking.scores)
    for call, beams, before, after in zip(calls, ancestors, masked, masked_after, strict=True):
        filled = torch.stack([(before & ~after)[:, :, slot] for slot in call.slots], dim=2)
        reverse_states = ranking.codes.masked_fill(masked[0] & ~after, MASK)
        reverse = recording.context.log_probs(reverse_states, call.slots)
        forward = _take_beams(call.log_probs, beams)
        change += _log_probs_of_codes(reverse, call.slots, ranking.codes, normalise).where(filled, 0.0).sum(dim=2)
        change -= _log_probs_of_codes(forward, call.slots, ranking.codes, normalise).where(filled, 0.0).sum(dim=2)
    return rerank(ranking, ranking.scores + change / 2)


def _ancestors(sequences: Tensor, states: Tensor) -> Tensor:
    """The beam that each sequence descends from: the first that it agrees with. (B, F, T), (B, K, T) -> (B, F)"""
    agrees = (states[:, None] == MASK) | (states[:, None] == sequences[:, :, None])
    return agrees.all(dim=3).to(torch.uint8).argmax(dim=2)


def _take_beams(values: Tensor, beams: Tensor) -> Tensor:
    """Shapes: (B, K, ...), (B, F) -> (B, F, ...)"""
    index = beams.view(*beams.shape, *[1] * (values.dim() - 2)).expand(-1, -1, *values.shape[2:])
    return values.gather(1, index)


def _log_probs_of_codes(log_probs: Tensor, slots: tuple[int, ...], codes: Tensor, normalise: Normalise) -> Tensor:
    """log p of each sequence's own codes in some slots; padding reads code 0.

    Shapes: (B, F, S, V), S slots, (B, F, T) -> (B, F, S), float64
    """
    slot_codes = torch.stack([codes[:, :, slot] for slot in slots], dim=2).clamp(min=0)
    return as_scores(log_probs, normalise).gather(3, slot_codes[..., None])[..., 0]
