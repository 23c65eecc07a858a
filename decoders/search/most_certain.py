"""Each beam fills the slot that the model is most certain of (docs/semantics.md, Decoding)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from mindrec_bench.core.lifting import renormalise

from .expansion import Expansion, Hypotheses, RevealOneSlot, RevealStep, StageScores
from .scores import stable_topk

Certainty = Literal["entropy", "confidence"]


def most_certain_slot(by: Certainty) -> Expansion:
    """One slot per step, chosen by each beam for itself."""

    def expand(slots: tuple[int, ...]) -> Sequence[RevealStep]:
        return [RevealMostCertainSlot(slots, by)] * len(slots)

    return expand


@dataclass(frozen=True)
class RevealMostCertainSlot:
    """Reveal one of `slots`, the masked one of lowest entropy (or highest top probability), with its b best codes.

    Distributions are renormalised over the slot's allowed codes; ties go to the lower slot. A slot without any possible
    code comes last.
    """

    slots: tuple[int, ...]
    by: Certainty

    def candidates(self, parents: Hypotheses, stage: StageScores, beam: int) -> Hypotheses:
        """See `RevealStep`. Siblings differ in the slot they all fill, so no sequence is reached twice."""
        chosen = stable_topk(certainty(stage.log_probs, self.by), 1)
        not_chosen = torch.arange(len(self.slots), device=chosen.device) != chosen
        log_probs = stage.log_probs.masked_fill(not_chosen[..., None], -torch.inf)
        stage = replace(stage, log_probs=log_probs, preference=log_probs)
        return RevealOneSlot(self.slots).candidates(parents, stage, beam)


def certainty(log_probs: Tensor, by: Certainty) -> Tensor:
    """How certain a distribution is: -entropy in nats, or the log of its top probability.

    Args:
        log_probs: need not sum to 1. Shape: (..., V), float64
        by: which of the two.

    Returns:
        -inf where no code is possible. Shape: (...), float64
    """
    log_p = renormalise(log_probs)
    certain = log_p.amax(dim=-1) if by == "confidence" else -torch.special.entr(log_p.exp()).sum(dim=-1)
    return certain.where(log_probs.amax(dim=-1) > -torch.inf, -torch.inf)
