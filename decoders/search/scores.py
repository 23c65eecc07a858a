"""How log-probabilities become scores, and the one way in which scores are compared (docs/semantics.md, Decoding).

Scores are rounded to 1e-9 before they are compared, since two orders of summing the same log-probabilities differ in
their last bits; of equal scores the one at the lower position wins. Callers order candidates by parent beam, slot and
code, so "lower position" is the tie rule. Scores become integers here because `topk` promises nothing about the order
of equal numbers: with the position mixed in, no two keys are equal.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mindrec_bench.core.lifting import renormalise

from .options import Normalise

RESOLUTION = 1e-9
"""Scores that differ by less are equal."""

_GROUP_SIZE = 64
"""Scores per group: rounding and sorting then touch one score in 64, and `count` groups of 64."""


def as_scores(log_probs: Tensor, normalise: Normalise) -> Tensor:
    """A model's log-probabilities as scores.

    Args:
        log_probs: over the model's whole vocabulary, -inf outside a slot's own codes. Shape: (..., V)
        normalise: `slot` renormalises over the slot's own codes.

    Returns:
        Same shape, float64
    """
    log_probs = log_probs.double()
    return renormalise(log_probs) if normalise == "slot" else log_probs


def quantise_scores(scores: Tensor, span: int) -> Tensor:
    """Scores in whole units of `RESOLUTION`, small enough to be multiplied by `span` without overflow.

    Scores beyond 2**62 / span units (4.6e6 for the 1,000 candidates of a step, 4,600 for a million items) are clamped,
    so they tie. -inf and NaN come out below every number.

    Args:
        scores: any shape, float64.
        span: how many positions will share the integer with the score.

    Returns:
        The shape of `scores`, int64.
    """
    limit = 2**62 // span
    units = (scores / RESOLUTION).round_().clamp_(-limit, limit).long()  # in place: large tensors are slow to allocate
    return units.masked_fill_(~(scores > -torch.inf), -limit - 1)


def stable_topk(scores: Tensor, count: int) -> Tensor:
    """Positions of the `count` highest scores, best first, ties to the lower position.

    Many scores are split into groups, and only the groups with the `count` highest maxima (of equal ones the first) are
    searched. This is exact: a score of another group is preceded by one of each of these. The maxima are taken of the
    scores themselves, since rounding keeps their order.

    Args:
        scores: float64, -inf where there is no candidate. Shape: (..., M)
        count: how many; all M where there are fewer.

    Returns:
        Positions of -inf come last, and are no results. Shape: (..., min(count, M)), int64
    """
    span = scores.shape[-1]
    if count * _GROUP_SIZE * 4 > span:
        return sort_keys(scores, torch.arange(span, device=scores.device), span).topk(min(count, span)).indices
    n_groups = span // _GROUP_SIZE
    scores = scores.nan_to_num(-torch.inf, torch.inf, -torch.inf)  # a NaN would be its group's maximum
    maxima = scores[..., : n_groups * _GROUP_SIZE].unflatten(-1, (n_groups, _GROUP_SIZE)).amax(dim=-1)
    groups = sort_keys(maxima, torch.arange(n_groups, device=scores.device), span).topk(count).indices
    positions = (groups[..., None] * _GROUP_SIZE + torch.arange(_GROUP_SIZE, device=scores.device)).flatten(-2)
    rest = torch.arange(n_groups * _GROUP_SIZE, span, device=scores.device)  # too few for a group: always searched
    positions = torch.cat([positions, rest.expand(*positions.shape[:-1], -1)], dim=-1)
    top = sort_keys(scores.gather(-1, positions), positions, span).topk(count).indices
    return positions.gather(-1, top)


def sort_keys(scores: Tensor, positions: Tensor, span: int) -> Tensor:
    """Integers that order scores, of equal ones the lower position first. Same shape as `scores`, int64"""
    return quantise_scores(scores, span).mul_(span).sub_(positions)
