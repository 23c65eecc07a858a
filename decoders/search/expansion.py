"""Expansion: which slots a search may fill next, and each beam's proposals (paper Algorithm 1, lines 4-14).

A search is a list of steps. A step names the slots whose distributions it needs and turns them into candidates, for all
beams of all users at once. Another decoding order is another list of steps, or another kind of step; the loop in
`beam_search.py` stays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from mindrec_bench.core.constraint import StageConstraint
from mindrec_bench.core.exclusion import ExcludedItems

from .options import ExpansionName
from .scores import stable_topk


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """Partly filled sequences of B users, K each: the beams of a search, or the candidates of a step.

    Attributes:
        codes: code indices, `MASK` where nothing is revealed. Shape: (B, K, T), int64
        scores: sums of log-probabilities, -inf for a sequence that does not exist. Shape: (B, K), float64
    """

    codes: Tensor
    scores: Tensor


@dataclass(frozen=True, eq=False)
class StageScores:
    """The model's distributions over the slots of a step.

    Attributes:
        slots: the slots of the step, in rising order. Shape: (S,), int64
        log_probs: log p(code in slot), -inf in slots that a beam has revealed. Shape: (B, K, S, V), float64
        preference: what proposals are chosen by: `log_probs`, plus noise where they are sampled. Same shape.
        constraint: the catalogue constraint on these slots; codes that it forbids are -inf in `log_probs` already.
        excluded: what the last step must not complete; None before it. A code that would complete it alone is -inf in
            `log_probs` already.
    """

    slots: Tensor
    log_probs: Tensor
    preference: Tensor
    constraint: StageConstraint | None = None
    excluded: ExcludedItems | None = None


class RevealStep(Protocol):
    """One step of a search."""

    @property
    def slots(self) -> tuple[int, ...]:
        """The slots of the canvas whose distributions the step needs, in rising order."""
        ...

    def candidates(self, parents: Hypotheses, stage: StageScores, beam: int) -> Hypotheses:
        """Every parent's proposals, at most `beam` each, ordered by parent, then slot, then code."""
        ...


Expansion = Callable[[tuple[int, ...]], Sequence[RevealStep]]
"""Masked SID slots -> the steps that fill them."""


@dataclass(frozen=True)
class RevealOneSlot:
    """Reveal one of `slots`: a parent's b best (slot, code) pairs among all slots that it has not revealed."""

    slots: tuple[int, ...]

    def candidates(self, parents: Hypotheses, stage: StageScores, beam: int) -> Hypotheses:
        """See `RevealStep`. K parents give K * min(b, S * V) candidates."""
        parent_scores = parents.scores[:, :, None]
        pairs = stable_topk(parent_scores + stage.preference.flatten(2), beam).sort(dim=-1).values
        scores = parent_scores + stage.log_probs.flatten(2).gather(2, pairs)
        n_codes = stage.log_probs.shape[-1]
        slot, code = stage.slots[pairs // n_codes], pairs % n_codes
        codes = parents.codes[:, :, None].expand(-1, -1, pairs.shape[2], -1)
        codes = codes.scatter(3, slot[..., None], code[..., None])
        return Hypotheses(codes.flatten(1, 2), scores.flatten(1))


def any_order(slots: tuple[int, ...]) -> Sequence[RevealStep]:
    """One slot per step, whichever scores best for a beam (Algorithm 1)."""
    return [RevealOneSlot(slots)] * len(slots)


def left_to_right(slots: tuple[int, ...]) -> Sequence[RevealStep]:
    """One slot per step, in the order given."""
    return [RevealOneSlot((slot,)) for slot in slots]


def blocks(size: int) -> Expansion:
    """Blocks of `size` slots from left to right, in any order within a block; the last block may be smaller."""

    def expand(slots: tuple[int, ...]) -> Sequence[RevealStep]:
        slots_of_blocks = [slots[first : first + size] for first in range(0, len(slots), size)]
        return [step for block in slots_of_blocks for step in any_order(block)]

    return expand


EXPANSIONS: dict[ExpansionName, Expansion] = {"any-order": any_order, "left-to-right": left_to_right}
"""The expansions without parameters, by name."""
