"""Score finished sequences by the mean of the order that the search took and its reverse (`adaptive:reverse=yes`).

A trained masked model gives a sequence another log-probability in every reveal order, and orders from the surest slot
to the least sure one err alike. An order and its reverse fill every slot from opposite sides: what one knew when it
filled the slot is what the other did not. Much of their errors cancels, so the two do for the price of one more order
what several random ones do. On a consistent model both are equal, and the ranking stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.lifting import renormalised
from mindrec_bench.core.protocols import DenoiserContext, Ranking

from .options import Normalise
from .results import reranked


@dataclass(frozen=True, eq=False)
class Step:
    """What a search asked and was told.

    Attributes:
        states: see `DenoiserContext.log_probs`. Shape: (B, K, T)
        slots: likewise. S of them.
        answer: likewise. Shape: (B, K, S, V)
    """

    states: Tensor
    slots: tuple[int, ...]
    answer: Tensor


@dataclass(frozen=True, eq=False)
class Trail:
    """A context that keeps every step of a search."""

    context: DenoiserContext
    steps: list[Step] = field(default_factory=list)

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """See `DenoiserContext.log_probs`."""
        answer = self.context.log_probs(revealed, slots)
        self.steps.append(Step(revealed, tuple(slots), answer))
        return answer


def both_ways(trail: Trail, found: Ranking, *, n_categories: int, normalise: Normalise) -> Ranking:
    """Rank the results of a search anew; one more forward pass for each SID slot.

    Args:
        trail: the search, in which each beam filled one slot a step and no two beams could end in the same sequence.
        found: its results.
        n_categories: how many leading slots are category slots; they keep their order and their score.
        normalise: as in the search.
    """
    steps = [step for step in trail.steps if step.slots[0] >= n_categories]
    if not steps:
        return found
    parents = [_ancestor(found.codes, step.states) for step in steps]
    masked = [_rows(step.states == MASK, parent) for step, parent in zip(steps, parents, strict=True)]
    still_masked = [*masked[1:], torch.zeros_like(masked[0])]
    change = torch.zeros_like(found.scores)
    for step, parent, before, after in zip(steps, parents, masked, still_masked, strict=True):
        filled = before & ~after
        state = found.codes.masked_fill(masked[0] & ~after, MASK)
        backward = trail.context.log_probs(state, step.slots)
        change += _filled(backward, step.slots, found.codes, filled, normalise)
        change -= _filled(_rows(step.answer, parent), step.slots, found.codes, filled, normalise)
    return reranked(found, found.scores + change / 2)


def _ancestor(sequences: Tensor, states: Tensor) -> Tensor:
    """Which beam each sequence comes from: the best that it agrees with. (B, F, T), (B, K, T) -> (B, F)"""
    agrees = (states[:, None] == MASK) | (states[:, None] == sequences[:, :, None])
    return agrees.all(dim=3).to(torch.uint8).argmax(dim=2)


def _rows(values: Tensor, beams: Tensor) -> Tensor:
    """The values of some beams. Shapes: (B, K, ...), (B, F) -> (B, F, ...)"""
    index = beams.view(*beams.shape, *[1] * (values.dim() - 2)).expand(-1, -1, *values.shape[2:])
    return values.gather(1, index)


def _filled(log_probs: Tensor, slots: tuple[int, ...], codes: Tensor, filled: Tensor, normalise: Normalise) -> Tensor:
    """log p of the codes in the filled slots. Shapes: (B, F, S, V), (B, F, T), (B, F, T) -> (B, F), float64"""
    log_probs = log_probs.double()
    if normalise == "slot":
        log_probs = renormalised(log_probs)
    own = torch.stack([codes[:, :, slot] for slot in slots], dim=2).clamp(min=0)
    here = torch.stack([filled[:, :, slot] for slot in slots], dim=2)
    return log_probs.gather(3, own[..., None])[..., 0].where(here, 0.0).sum(dim=2)
