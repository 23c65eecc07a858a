"""Rank the catalogue by a causal model's probabilities: best-first search over the prefixes of its items.

A prefix's log-probability never rises, so the b best items are found when b whole ones beat every open prefix. Users
are searched together: a round goes from the shortest prefixes to the longest and expands, of each length, the b best
open ones of every user that can still matter. The first round is a beam search on the catalogue; the next ones expand
what it dropped too early.
"""

from __future__ import annotations

from itertools import count

import torch
from torch import Tensor

from mindrec_bench.core.protocols import Canvas, CausalContext, Ranking

from .beam_search import masked_slots
from .catalogue_items import CatalogueItems, PrefixLevel, prefix_levels
from .distinct_states import fill_given, mask_slots
from .item_scores import NextCodeAsDenoiser
from .options import Normalise
from .scores import RESOLUTION, as_scores, stable_topk


def best_first(context: CausalContext, canvas: Canvas, *, beam: int, normalise: Normalise = "vocabulary") -> Ranking:
    """The b best items by the chain rule, exactly.

    Args:
        context: the model.
        canvas: given codes, which are part of the prefix, and the slots to fill.
        beam: b.
        normalise: `slot` renormalises each distribution over the slot's own codes.
    """
    denoiser, catalogue = NextCodeAsDenoiser(context), CatalogueItems.of(canvas)
    slots = sum(masked_slots(canvas), ())
    levels = prefix_levels(catalogue.codes, slots, canvas.sizes)
    possible = [_has_allowed(catalogue.allowed, level) for level in levels]
    scores = [torch.full(p.shape, -torch.inf, dtype=torch.float64, device=p.device) for p in possible]
    scores[0] = torch.zeros_like(scores[0])
    is_open = [p.clone() for p in possible]
    threshold = torch.full_like(scores[0], -torch.inf)
    for number in count():
        for depth, slot in enumerate(slots):
            matters = _can_matter(scores[depth], is_open[depth], threshold)
            # The first round expands b of each length; a later one waits for the device to say how many are left.
            most = beam if number == 0 else min(beam, int(matters.sum(dim=1).max()))
            if not most:
                continue
            prefixes = stable_topk(scores[depth].masked_fill(~matters, -torch.inf), most)
            expanded = torch.zeros_like(matters).scatter_(1, prefixes, True) & matters
            is_open[depth] &= ~expanded
            codes = mask_slots(catalogue.codes[levels[depth].member[prefixes]], slots[depth:])
            log_probs = as_scores(denoiser.log_probs(fill_given(codes, canvas.start), (slot,)), normalise)[:, :, 0]
            child = levels[depth + 1]
            rank = torch.arange(prefixes.shape[1], device=prefixes.device).expand_as(prefixes)
            row = torch.full_like(scores[depth], -1, dtype=torch.int64).scatter_(1, prefixes, rank)
            row = row.masked_fill(~expanded, -1)[:, child.parent]
            own = log_probs.flatten(1).gather(1, row.clamp(min=0) * log_probs.shape[2] + child.code)
            reached = scores[depth][:, child.parent] + own
            scores[depth + 1] = reached.where((row >= 0) & possible[depth + 1], scores[depth + 1])
        whole = scores[-1][:, levels[-1].prefix].masked_fill(~catalogue.allowed, -torch.inf)
        ranking = catalogue.ranking(whole, beam, torch.full_like(canvas.start[:, 0], beam))
        threshold = ranking.scores[:, -1:]
        left = [_can_matter(*of_length, threshold).any() for of_length in zip(scores[:-1], is_open[:-1], strict=True)]
        if not bool(torch.stack(left).any()):
            return ranking
    raise AssertionError("a round expands at least one prefix, and they are finite in number")


def _can_matter(scores: Tensor, is_open: Tensor, threshold: Tensor) -> Tensor:
    """Open prefixes that do not score below the b-th best result. Shapes: (B, P), (B, P), (B, 1) -> (B, P), bool"""
    return is_open & (scores > -torch.inf) & (scores >= threshold - RESOLUTION)


def _has_allowed(allowed: Tensor, level: PrefixLevel) -> Tensor:
    """Which prefixes have a sequence that is allowed. Shape: (B, C) -> (B, P), bool"""
    counts = torch.zeros(len(allowed), len(level.member), dtype=torch.int32, device=allowed.device)
    return counts.scatter_add_(1, level.prefix.expand_as(allowed), allowed.int()) > 0
