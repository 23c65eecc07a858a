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
    whole = (scores / UNIT).round().clamp(-limit, limit)
    return torch.where(scores > -torch.inf, whole.long(), -limit - 1)


def best(scores: Tensor, count: int) -> Tensor:
    """Positions of the `count` highest scores, best first, ties to the lower position.

    Args:
        scores: float64, -inf where there is no candidate. Shape: (..., M)
        count: how many; all M where there are fewer.

    Returns:
        Positions of -inf come last, and are no results. Shape: (..., min(count, M)), int64
    """
    span = scores.shape[-1]
    keys = units(scores, span) * span - torch.arange(span, device=scores.device)
    return keys.topk(min(count, span)).indices
