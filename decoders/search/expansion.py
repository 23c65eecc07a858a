"""Expansion: which slots a search may fill next, and each beam's proposals (Algorithm 1, lines 4-14).

A search is a list of stages. A stage names the slots whose distributions it wants and turns them into candidates, all
beams of all users at once. Another decoding order is another list of stages, or another stage; the loop in `search.py`
stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from mindrec_bench.core.constraint import StageConstraint

from .scores import best


@dataclass(frozen=True, eq=False)
class Beams:
    """Partly filled sequences of B users, K each.

    Attributes:
        codes: code indices, `MASK` where nothing is revealed. Shape: (B, K, T), int64
        scores: sums of log-probabilities, -inf where there is no beam. Shape: (B, K), float64
    """

    codes: Tensor
    scores: Tensor


@dataclass(frozen=True, eq=False)
class Answers:
    """What the model says about the slots that a stage asked for.

    Attributes:
        slots: the slots asked for, in rising order. Shape: (S,), int64
        log_probs: log p(code in slot), -inf in slots that a beam has revealed. Shape: (B, K, S, V), float64
        preference: what a proposal should have most of: `log_probs`, plus noise where proposals are drawn. Same shape.
        reach: the catalogue constraint on these slots; `log_probs` is -inf already where a single code is barred.
    """

    slots: Tensor
    log_probs: Tensor
    preference: Tensor
    reach: StageConstraint | None = None


class Stage(Protocol):
    """One step of a search."""

    @property
    def slots(self) -> tuple[int, ...]:
        """The slots of the canvas whose distributions the stage needs, in rising order."""
        ...

    def candidates(self, beams: Beams, answers: Answers, beam: int) -> Beams:
        """Every beam's proposals, at most `beam` each, laid out by parent beam, then slot, then code."""
        ...


Expansion = Callable[[tuple[int, ...]], Sequence[Stage]]
"""From the masked SID slots to the stages that fill them."""


@dataclass(frozen=True)
class OneSlot:
    """Reveal one of `slots`: a beam's b best (slot, code) pairs over all that it has not revealed, together."""

    slots: tuple[int, ...]

    def candidates(self, beams: Beams, answers: Answers, beam: int) -> Beams:
        """See `Stage`. K beams give K * min(b, S * V) candidates."""
        parents = beams.scores[:, :, None]
        pairs = best(parents + answers.preference.flatten(2), beam).sort(dim=-1).values
        scores = parents + answers.log_probs.flatten(2).gather(2, pairs)
        n_codes = answers.log_probs.shape[-1]
        slot, code = answers.slots[pairs // n_codes], pairs % n_codes
        codes = beams.codes[:, :, None].expand(-1, -1, pairs.shape[2], -1)
        codes = codes.scatter(3, slot[..., None], code[..., None])
        return Beams(codes.flatten(1, 2), scores.flatten(1))


def any_order(slots: tuple[int, ...]) -> Sequence[Stage]:
    """One slot a step, whichever a beam likes best (Algorithm 1)."""
    return [OneSlot(slots)] * len(slots)


def left_to_right(slots: tuple[int, ...]) -> Sequence[Stage]:
    """One slot a step, from the left."""
    return [OneSlot((slot,)) for slot in slots]


def blocks(size: int) -> Expansion:
    """Blocks of `size` slots from the left, any order inside a block; the last takes what is left."""

    def expand(slots: tuple[int, ...]) -> Sequence[Stage]:
        parts = [slots[first : first + size] for first in range(0, len(slots), size)]
        return [stage for part in parts for stage in any_order(part)]

    return expand
