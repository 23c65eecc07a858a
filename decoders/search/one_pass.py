"""A first score for every item of the catalogue, from the model's distributions before any SID code is revealed.

Category slots come first: the prefixes of the catalogue's category paths are followed from left to right, the likeliest
of each length. Behind each path one state gives the distributions of all SID slots; an item's first score is the
log-probability of its path plus the sum of its log-marginals behind it, one gather over the catalogue. Without
categories that is one forward pass (the score that RPG ranks by, arXiv 2506.05781).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .catalogue_items import CatalogueItems, prefix_levels
from .distinct_states import fill_given, mask_slots
from .item_scores import STATES_AT_ONCE, ItemScorer, RevealedSet, RevealPlan
from .scores import as_scores, stable_topk

IMPOSSIBLE = -4e3
"""Stands for log 0 in first scores: an item may be impossible in one order and possible in another."""


@dataclass(frozen=True, eq=False)
class OnePass:
    """What is known of every sequence of the catalogue before any SID code is revealed.

    Attributes:
        scores: first scores, -inf for sequences that are not allowed or whose category path was not followed. (B, C)
        log_probs: for each set of revealed category slots, log p of each sequence's own code in the next category
            slot, or in all SID slots. Shape: (B, C, 1) or (B, C, M), float64
        slots: these slots.
        unfollowed: the highest log-probability of a category prefix that was not followed. Shape: (B,), float64
    """

    scores: Tensor
    log_probs: dict[RevealedSet, Tensor]
    slots: dict[RevealedSet, tuple[int, ...]]
    unfollowed: Tensor

    def known(self, plan: RevealPlan, candidates: Tensor) -> dict[RevealedSet, Tensor]:
        """`log_probs` of candidates, positions in the catalogue, for the slots of a plan. (B, P) -> (B, P, S) each"""
        known = {}
        for revealed, values in self.log_probs.items():
            columns = [self.slots[revealed].index(slot) for slot in plan.next_slots.get(revealed, ())]
            if columns:
                known[revealed] = torch.stack([values[:, :, column].gather(1, candidates) for column in columns], dim=2)
        return known


def one_pass(scorer: ItemScorer, catalogue: CatalogueItems, keep: int) -> OnePass:
    """Score every item.

    Args:
        scorer: asks the model.
        catalogue: the items.
        keep: how many category prefixes of each length are followed at most.
    """
    canvas, categories = scorer.canvas, scorer.categories
    levels = prefix_levels(catalogue.codes, categories, canvas.sizes)
    scores = torch.zeros(len(canvas.start), 1, dtype=torch.float64, device=catalogue.codes.device)
    unfollowed = torch.full_like(scores[:, 0], -torch.inf)
    log_probs: dict[RevealedSet, Tensor] = {}
    slots: dict[RevealedSet, tuple[int, ...]] = {}
    for depth, level in enumerate(levels):
        kept = stable_topk(scores, keep)
        rank = torch.arange(kept.shape[1], device=kept.device).expand_as(kept)
        position = torch.full_like(scores, -1, dtype=torch.int64).scatter_(1, kept, rank)
        unfollowed = unfollowed.maximum(scores.masked_fill(position >= 0, -torch.inf).amax(dim=1))
        scores = scores.masked_fill(position < 0, -torch.inf)
        hidden = {*categories[depth:], *scorer.sids}
        states = fill_given(mask_slots(catalogue.codes[level.member[kept]], hidden), canvas.start)
        scorer.n_states += kept.shape[1]
        revealed = frozenset(categories[:depth])
        slots[revealed] = categories[depth : depth + 1] or scorer.sids
        position = position[:, level.prefix]
        log_probs[revealed] = _own_log_probs(scorer, states, slots[revealed], position, catalogue.codes)
        if depth < len(categories):
            child = levels[depth + 1]
            scores = scores[:, child.parent] + log_probs[revealed][:, child.member, 0]
    scores = scores[:, levels[-1].prefix]
    total = (scores + log_probs[revealed].sum(dim=2)).clamp(min=IMPOSSIBLE)
    return OnePass(
        total.masked_fill(~catalogue.allowed | (scores == -torch.inf), -torch.inf), log_probs, slots, unfollowed
    )


def _own_log_probs(
    scorer: ItemScorer, states: Tensor, slots: tuple[int, ...], position: Tensor, codes: Tensor
) -> Tensor:
    """log p of each sequence's own code in some slots, in the state of its path.

    Args:
        scorer: asks the model.
        states: of K paths. Shape: (B, K, T)
        slots: S slots.
        position: which of them each sequence has, -1 where none. Shape: (B, C)
        codes: of the sequences. Shape: (C, T)

    Returns:
        -inf where there is no state. Shape: (B, C, S), float64
    """
    result = torch.full((*position.shape, len(slots)), -torch.inf, dtype=torch.float64, device=codes.device)
    at_once = max(1, STATES_AT_ONCE // len(states))
    for start in range(0, states.shape[1], at_once):
        log_probs = scorer.context.log_probs(states[:, start : start + at_once], slots)
        log_probs = as_scores(log_probs, scorer.normalise)
        number = position - start
        mine = (number >= 0) & (number < log_probs.shape[1])
        number = number.where(mine, 0)
        for index, slot in enumerate(slots):
            of_slot = log_probs[:, :, index]
            own = of_slot.flatten(1).gather(1, number * of_slot.shape[2] + codes[:, slot])
            result[:, :, index] = own.where(mine, result[:, :, index])
    return result
