"""Several slots at once: a beam's exact b best joint choices (paper Figure 3; semantics section 4, n-per-step)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import torch
from torch import Tensor

from .expansion import Answers, Beams, Expansion, OneSlot, Stage
from .scores import best


def n_at_once(n: int) -> Expansion:
    """`n` slots a step, whichever a beam likes best together; the last step takes what is left."""

    def expand(slots: tuple[int, ...]) -> Sequence[Stage]:
        steps = [(min(n, len(slots) - done), done) for done in range(0, len(slots), n)]
        return [OneSlot(slots) if count == 1 else SeveralSlots(slots, count, done) for count, done in steps]

    return expand


@dataclass(frozen=True)
class SeveralSlots:
    """Reveal `count` of `slots`: a beam's b best joint choices over all subsets of that size, by the sum of log p.

    Under a constraint the choices are those that keep an item reachable together; the b best of these may rank low in
    every slot, so they are all looked at.

    Attributes:
        slots: see `Stage`.
        count: n.
        done: how many of `slots` are revealed before.
    """

    slots: tuple[int, ...]
    count: int
    done: int

    def candidates(self, beams: Beams, answers: Answers, beam: int) -> Beams:
        """See `Stage`; ties go to the lower slots, then to the lower codes, from the left."""
        parts = []
        for places, codes, exists in self._choices(beams, answers, beam):
            total = beams.scores[:, :, None]
            codes = [code.expand(*beams.scores.shape, -1) for code in codes]
            for place, code in zip(places, codes, strict=True):
                total = total + answers.log_probs[:, :, place].gather(2, code)
            chosen = [(self.slots[place], code) for place, code in zip(places, codes, strict=True)]
            total = total if exists is None else total.where(exists, -torch.inf)
            parts.append(_best_of(beams, chosen, total, beam))
        scores, sequences = (torch.cat(tensors, dim=2) for tensors in zip(*parts, strict=True))
        top = best(scores, beam).sort(dim=2).values
        sequences = sequences.gather(2, top[..., None].expand(-1, -1, -1, sequences.shape[3]))
        return Beams(sequences.flatten(1, 2), scores.gather(2, top).flatten(1))

    def _choices(
        self, beams: Beams, answers: Answers, beam: int
    ) -> Iterator[tuple[tuple[int, ...], list[Tensor], Tensor | None]]:
        """Which of `slots`, their codes in rising order, and which of the C exist (None: all).

        Shape of each: (B, K, C), or (1, 1, C) where all beams have the same choices.
        """
        subsets = combinations(range(len(self.slots)), self.count)
        if answers.reach is None:
            top = best(beams.scores[:, :, None, None] + answers.log_probs, beam)
            for places in subsets:
                codes = _by_ranks([top[:, :, place] for place in places], answers.log_probs.shape[-1], beam)
                yield places, codes, None
        else:
            for places in subsets:
                slots = tuple(self.slots[place] for place in places)
                for codes, exists in answers.reach.joint(beams.codes, slots, self.done):
                    yield places, codes, exists


def _by_ranks(top: list[Tensor], n_codes: int, beam: int) -> list[Tensor]:
    """All combinations of each slot's r-th best codes whose ranks multiply to at most b, in rising order of the codes.

    One of a higher product is preceded by b others that rank as high in every slot and higher in one.
    """
    ranks = _ranks(len(top), beam, top[0].shape[-1], top[0].device)
    codes = [column[:, :, rank] for column, rank in zip(top, ranks, strict=True)]
    number = torch.zeros_like(codes[0])
    for code in codes:
        number = number * n_codes + code
    order = number.argsort(dim=2)
    return [code.gather(2, order) for code in codes]


@cache
def _ranks(n: int, beam: int, n_codes: int, device: torch.device) -> tuple[Tensor, ...]:
    """Ranks from 0 of each of n slots, one entry a combination. Kept, so that a step copies nothing to the device."""
    kept = rank_tuples(n, beam, n_codes)
    return tuple(torch.tensor(column, device=device) for column in zip(*kept, strict=True))


def rank_tuples(n: int, most: int, n_codes: int) -> list[tuple[int, ...]]:
    """Tuples of n ranks, from 0 and below `n_codes`, whose product counted from 1 is at most `most`."""
    if n == 0:
        return [()]
    firsts = range(min(most, n_codes))
    return [(rank, *rest) for rank in firsts for rest in rank_tuples(n - 1, most // (rank + 1), n_codes)]


def _best_of(beams: Beams, chosen: list[tuple[int, Tensor]], scores: Tensor, beam: int) -> tuple[Tensor, Tensor]:
    """The b best, in the order they stand in. Shapes: scores (B, K, C) -> (B, K, P), sequences (B, K, P, T)"""
    top = best(scores, beam).sort(dim=2).values
    codes = beams.codes[:, :, None].repeat(1, 1, top.shape[2], 1)
    for slot, code in chosen:
        codes[..., slot] = code.gather(2, top)
    return scores.gather(2, top), codes
