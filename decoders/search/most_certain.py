"""Each beam fills the slot it is surest of (semantics section 4, adaptive)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from mindrec_bench.core.lifting import renormalised

from .expansion import Answers, Beams, Expansion, OneSlot, Stage
from .scores import best

Order = Literal["entropy", "confidence"]


def surest_first(order: Order) -> Expansion:
    """One slot a step, each beam its own."""

    def expand(slots: tuple[int, ...]) -> Sequence[Stage]:
        return [SurestSlot(slots, order)] * len(slots)

    return expand


@dataclass(frozen=True)
class SurestSlot:
    """Reveal one of `slots`, the masked one with the lowest entropy (or highest top probability): its b best codes.

    Distributions are renormalised over the slot's allowed codes; ties go to the lower slot. A slot without any possible
    code comes last.
    """

    slots: tuple[int, ...]
    order: Order

    def candidates(self, beams: Beams, answers: Answers, beam: int) -> Beams:
        """See `Stage`. Siblings differ in the slot they share, so no sequence is reached twice."""
        chosen = best(certainty(answers.log_probs, self.order), 1)
        others = torch.arange(len(self.slots), device=chosen.device) != chosen
        only = answers.log_probs.masked_fill(others[..., None], -torch.inf)
        return OneSlot(self.slots).candidates(beams, replace(answers, log_probs=only, preference=only), beam)


def certainty(log_probs: Tensor, order: Order) -> Tensor:
    """How sure a distribution is: -entropy in nats, or the log of the top probability; -inf where all is impossible.

    Args:
        log_probs: need not sum to 1. Shape: (..., V), float64
    """
    own = renormalised(log_probs)
    sure = own.amax(dim=-1) if order == "confidence" else -torch.special.entr(own.exp()).sum(dim=-1)
    return sure.where(log_probs.amax(dim=-1) > -torch.inf, -torch.inf)
