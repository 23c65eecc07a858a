"""The catalogue as sequences to rank: its distinct sequences, their SIDs, and their prefixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.protocols import Canvas, Ranking

from .results import make_ranking
from .scores import sort_keys


@dataclass(frozen=True, eq=False)
class CatalogueItems:
    """The distinct sequences of a catalogue, in the order of the lowest item that has each.

    Attributes:
        codes: Shape: (C, T), int64
        sids: the SID of each sequence, numbered from 0 to C - 1. Shape: (C,), int64
        allowed: which of them agree with a user's given codes and are not excluded. Shape: (B, C), bool
    """

    codes: Tensor
    sids: Tensor
    allowed: Tensor

    @classmethod
    def of(cls, canvas: Canvas) -> CatalogueItems:
        """The items that a canvas can be filled with."""
        items = _first_of_equal(canvas.items)
        codes = canvas.items[items]
        sids = codes[:, canvas.n_categories :].unique(dim=0, return_inverse=True)[1]
        allowed = torch.ones(len(canvas.start), len(codes), dtype=torch.bool, device=codes.device)
        for start, column in zip(canvas.start.T, codes.T, strict=True):
            allowed &= (start[:, None] == MASK) | (start[:, None] == column)
        if canvas.excluded is not None:
            allowed &= ~canvas.excluded.among(len(canvas.items))[:, items]
        return cls(codes, sids, allowed)

    def best(self, scores: Tensor, beam: int) -> Tensor:
        """The b best sequences with distinct SIDs, of a SID the best; ties to the lower item.

        Args:
            scores: -inf for what is no result. Shape: (B, C), float64
            beam: b.

        Returns:
            Positions; those of score -inf come last. Shape: (B, min(b, C)), int64
        """
        n = len(self.codes)
        keys = sort_keys(scores, torch.arange(n, device=scores.device), n)
        best_of_sid = torch.full_like(keys, torch.iinfo(torch.int64).min)
        best_of_sid.scatter_reduce_(1, self.sids.expand_as(keys), keys, "amax")
        # A key is a multiple of n, less the position. A number that no SID has gives any position twice, as no result.
        top = best_of_sid.topk(min(beam, n), dim=1).values
        return (-top).remainder(n)

    def ranking(self, scores: Tensor, beam: int, certified: Tensor | None = None) -> Ranking:
        """The b best as a ranking. `certified`: see `Ranking`."""
        top = self.best(scores, beam)
        top_scores = scores.gather(1, top)
        # fewer SIDs than sequences: the positions beyond them repeat
        n_sids = self.sids.amax() + 1
        rank = torch.arange(top.shape[1], device=top.device)
        top_scores = top_scores.where(rank < n_sids, -torch.inf)
        return make_ranking(self.codes[top], top_scores, beam, certified=certified)


@dataclass(frozen=True, eq=False)
class PrefixLevel:
    """The distinct prefixes of one length.

    Attributes:
        prefix: the prefix of each sequence. Shape: (C,), int64
        member: a sequence with each prefix. Shape: (P,), int64
        parent: each prefix without its last code, as a prefix of the level before. Shape: (P,), int64
        code: its last code. Shape: (P,), int64
    """

    prefix: Tensor
    member: Tensor
    parent: Tensor
    code: Tensor


def prefix_levels(codes: Tensor, slots: Sequence[int], sizes: Sequence[int]) -> list[PrefixLevel]:
    """The prefixes of sequences over some slots, from the empty one to whole ones.

    Args:
        codes: Shape: (C, T)
        slots: in the order in which they are revealed.
        sizes: vocabulary size of each of the T slots.
    """
    prefix = torch.zeros_like(codes[:, 0])
    levels = [PrefixLevel(prefix, prefix[:1], prefix[:1], prefix[:1])]
    for slot in slots:
        keys, prefix_of = (prefix * sizes[slot] + codes[:, slot]).unique(return_inverse=True)
        member = torch.zeros_like(keys).scatter_reduce_(
            0, prefix_of, torch.arange(len(codes), device=codes.device), "amin", include_self=False
        )
        levels.append(PrefixLevel(prefix_of, member, keys // sizes[slot], keys % sizes[slot]))
        prefix = prefix_of
    return levels


def _first_of_equal(items: Tensor) -> Tensor:
    """The lowest item of each distinct sequence, rising. Shape: (N, T) -> (C,)"""
    sequence = items.unique(dim=0, return_inverse=True)[1]
    first = torch.full_like(sequence, len(items))
    first.scatter_reduce_(0, sequence, torch.arange(len(items), device=items.device), "amin")
    return first[first < len(items)].sort().values
