"""Several slots in one step: a beam's exact b best joint choices (paper Figure 3; docs/semantics.md, Decoding)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import torch
from torch import Tensor

from .expansion import Expansion, Hypotheses, RevealOneSlot, RevealStep, StageScores
from .scores import stable_topk


def joint_slots(n: int) -> Expansion:
    """`n` slots per step, whichever score best together; the last step fills the remaining slots."""

    def expand(slots: tuple[int, ...]) -> Sequence[RevealStep]:
        steps = [(min(n, len(slots) - n_revealed), n_revealed) for n_revealed in range(0, len(slots), n)]
        return [
            RevealOneSlot(slots) if count == 1 else RevealJointly(slots, count, n_revealed)
            for count, n_revealed in steps
        ]

    return expand


@dataclass(frozen=True)
class RevealJointly:
    """Reveal `count` of `slots`: a parent's b best joint choices over all subsets of that size, by the sum of log p.

    Under a constraint, a choice is one that keeps an item reachable. The b best of these may rank low in every single
    slot, so all of them are scored.

    Attributes:
        slots: see `RevealStep`.
        count: how many slots the step reveals.
        n_revealed: how many of `slots` are revealed before the step.
    """

    slots: tuple[int, ...]
    count: int
    n_revealed: int

    def candidates(self, parents: Hypotheses, stage: StageScores, beam: int) -> Hypotheses:
        """See `RevealStep`; ties go to the lower slots, then to the lower codes, from the left."""
        best_of_subsets = []
        # A parent reaches a sequence once, so at most so many of its best choices are excluded.
        count = beam if stage.excluded is None else beam + stage.excluded.items.shape[1]
        for positions, codes, exists in self._choices(parents, stage, count):
            scores = parents.scores[:, :, None]
            codes = [code.expand(*parents.scores.shape, -1) for code in codes]
            for position, code in zip(positions, codes, strict=True):
                scores = scores + stage.log_probs[:, :, position].gather(2, code)
            slot_codes = [(self.slots[position], code) for position, code in zip(positions, codes, strict=True)]
            scores = scores if exists is None else scores.where(exists, -torch.inf)
            best_of_subsets.append(_best_children(parents, slot_codes, scores, count))
        scores, children = (torch.cat(tensors, dim=2) for tensors in zip(*best_of_subsets, strict=True))
        if stage.excluded is not None:
            excluded = stage.excluded.contain(children.flatten(1, 2)).view_as(scores)
            scores = scores.masked_fill(excluded, -torch.inf)
        top = stable_topk(scores, beam).sort(dim=2).values
        children = children.gather(2, top[..., None].expand(-1, -1, -1, children.shape[3]))
        return Hypotheses(children.flatten(1, 2), scores.gather(2, top).flatten(1))

    def _choices(
        self, parents: Hypotheses, stage: StageScores, beam: int
    ) -> Iterator[tuple[tuple[int, ...], list[Tensor], Tensor | None]]:
        """Positions in `slots`, the codes of these slots in rising order, and which of the C exist (None: all).

        Shape of each tensor: (B, K, C), or (1, 1, C) where all parents have the same choices.
        """
        subsets = combinations(range(len(self.slots)), self.count)
        if stage.constraint is None:
            top = stable_topk(parents.scores[:, :, None, None] + stage.log_probs, beam)
            for positions in subsets:
                top_codes = [top[:, :, position] for position in positions]
                yield positions, _combine_by_rank(top_codes, stage.log_probs.shape[-1], beam), None
        else:
            for positions in subsets:
                slots = tuple(self.slots[position] for position in positions)
                for codes, exists in stage.constraint.joint(parents.codes, slots, self.n_revealed):
                    yield positions, codes, exists


def _combine_by_rank(top_codes: list[Tensor], n_codes: int, beam: int) -> list[Tensor]:
    """All combinations of the slots' best codes whose ranks multiply to at most b, in rising order of the codes.

    A combination with a larger product is preceded by b others that rank no lower in any slot.
    """
    ranks_of_slots = _rank_columns(len(top_codes), beam, top_codes[0].shape[-1], top_codes[0].device)
    codes = [slot_top[:, :, ranks] for slot_top, ranks in zip(top_codes, ranks_of_slots, strict=True)]
    number = torch.zeros_like(codes[0])
    for code in codes:
        number = number * n_codes + code
    order = number.argsort(dim=2)
    return [code.gather(2, order) for code in codes]


@cache
def _rank_columns(n: int, beam: int, n_codes: int, device: torch.device) -> tuple[Tensor, ...]:
    """Each slot's rank (from 0) in every combination. Cached, so that a step copies nothing to the device."""
    tuples = rank_tuples(n, beam, n_codes)
    return tuple(torch.tensor(column, device=device) for column in zip(*tuples, strict=True))


def rank_tuples(n: int, max_product: int, n_codes: int) -> list[tuple[int, ...]]:
    """Tuples of n ranks, from 0 and below `n_codes`, whose product counted from 1 is at most `max_product`."""
    if n == 0:
        return [()]
    first_ranks = range(min(max_product, n_codes))
    return [(rank, *rest) for rank in first_ranks for rest in rank_tuples(n - 1, max_product // (rank + 1), n_codes)]


def _best_children(
    parents: Hypotheses, slot_codes: list[tuple[int, Tensor]], scores: Tensor, beam: int
) -> tuple[Tensor, Tensor]:
    """Each parent's b best choices, in their given order. Shapes: scores (B, K, C) -> (B, K, P), codes (B, K, P, T)"""
    top = stable_topk(scores, beam).sort(dim=2).values
    codes = parents.codes[:, :, None].repeat(1, 1, top.shape[2], 1)
    for slot, code in slot_codes:
        codes[..., slot] = code.gather(2, top)
    return scores.gather(2, top), codes
