"""The one way in which scores are compared (semantics section 4).

Scores are rounded to 1e-9 first, since two orders of summing the same log-probabilities differ in their last bits; of
equal scores the one that stands first wins. Callers lay candidates out by parent beam, slot and code, so "first" is the
tie rule. Scores become integers here because `topk` promises nothing about the order of equal numbers: with the
position mixed in, no two keys are equal.
"""

from __future__ import annotations

import torch
from torch import Tensor

UNIT = 1e-9

_GROUP = 64
"""Scores a group: rounding and sorting then touch one in 64 of them, and `count` times 64."""


def units(scores: Tensor, span: int) -> Tensor:
    """Scores in whole units of 1e-9, small enough to be multiplied by `span` without overflow.

    Scores beyond 2**62 / span units (4.6e6 for the 1,000 codes of a step, 4,600 for a million items) are cut there, so
    they tie. -inf and NaN come out below every number.

    Args:
        scores: any shape, float64.
        span: how many positions will share the integer with the score.

    Returns:
        The shape of `scores`, int64.
    """
    limit = 2**62 // span
    whole = (scores / UNIT).round_().clamp_(-limit, limit).long()  # in place: large tensors are slow to allocate
    return whole.masked_fill_(~(scores > -torch.inf), -limit - 1)


def best(scores: Tensor, count: int) -> Tensor:
    """Positions of the `count` highest scores, best first, ties to the lower position.

    Args:
        scores: float64, -inf where there is no candidate. Shape: (..., M)
        count: how many; all M where there are fewer.

    Many scores are cut into groups, and only the groups with the `count` highest maxima (of equal ones the first) are
    looked into. This is exact: a score of another group is preceded by one of each of these. The maxima are taken of
    the scores themselves, since rounding keeps their order.

    Returns:
        Positions of -inf come last, and are no results. Shape: (..., min(count, M)), int64
    """
    span = scores.shape[-1]
    if count * _GROUP * 4 > span:
        return _keys(scores, torch.arange(span, device=scores.device), span).topk(min(count, span)).indices
    n_groups = span // _GROUP
    scores = scores.nan_to_num(-torch.inf, torch.inf, -torch.inf)  # a NaN would be its group's maximum
    tops = scores[..., : n_groups * _GROUP].unflatten(-1, (n_groups, _GROUP)).amax(dim=-1)
    chosen = _keys(tops, torch.arange(n_groups, device=scores.device), span).topk(count).indices
    places = (chosen[..., None] * _GROUP + torch.arange(_GROUP, device=scores.device)).flatten(-2)
    rest = torch.arange(n_groups * _GROUP, span, device=scores.device)  # too few for a group: always looked into
    places = torch.cat([places, rest.expand(*places.shape[:-1], -1)], dim=-1)
    within = _keys(scores.gather(-1, places), places, span).topk(count).indices
    return places.gather(-1, within)


def _keys(scores: Tensor, places: Tensor, span: int) -> Tensor:
    """Integers that order scores, of equal ones the lower place first. Same shape as `scores`, int64"""
    return units(scores, span).mul_(span).sub_(places)
