"""Pruning: which candidates of a step survive, and with what score (Algorithm 1, lines 15-25; semantics section 4).

A rule gives every candidate the score it goes on with, -inf where it drops out; the search keeps the b best of these.
Candidates stand in the order of ties (parent beam, slot, code), so of equal scores the first wins.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK

from .expansion import Beams
from .options import PruneBy
from .scores import best, units


class Prune(Protocol):
    """A pruning rule."""

    def __call__(self, candidates: Beams, *, beam: int, n_categories: int) -> Tensor:
        """Score each candidate for going on.

        Args:
            candidates: M a user.
            beam: b, how many may survive.
            n_categories: how many leading slots are category slots.

        Returns:
            -inf for those that drop out. Shape: (B, M), float64
        """
        ...


def standard(candidates: Beams, *, beam: int, n_categories: int) -> Tensor:
    """The b best by score; a sequence reached in two orders counts twice."""
    return candidates.scores


def distinct(candidates: Beams, *, beam: int, n_categories: int) -> Tensor:
    """The b best distinct sequences, categories and SID."""
    return _first_of_each(candidates.codes, candidates.scores)


def distinct_sids(candidates: Beams, *, beam: int, n_categories: int) -> Tensor:
    """The b best whose SIDs are distinct: what the released evaluation does under the name of the penalty."""
    return _first_of_each(candidates.codes[:, :, n_categories:], candidates.scores)


def penalised(candidates: Beams, *, beam: int, n_categories: int) -> Tensor:
    """Algorithm 1: a candidate pays for its likeness to those kept so far, and what it paid stays paid.

    The walk is sequential by definition: what rank r pays depends on the set that the ranks before it left. The first b
    only ever join, so they are done at once; each later rank costs a few operations on all users together. What it
    would pay for each likeness is known before.
    """
    n_candidates = candidates.scores.shape[1]
    order = best(candidates.scores, n_candidates)
    sids = _take(candidates.codes[:, :, n_categories:], order)
    same = _agreement(sids)
    likeness = torch.arange(sids.shape[2] + 1, device=order.device)
    paid = candidates.scores.gather(1, order)[..., None] + _log_penalty(likeness, (sids != MASK).sum(dim=2)[..., None])
    prices = units(paid, n_candidates)

    head = min(beam, n_candidates)
    kept = torch.arange(head, device=order.device).repeat(len(order), 1)
    alike = same[:, :head, :head].tril(-1).amax(dim=2).long()
    price = prices[:, :head].gather(2, alike[..., None])[..., 0]
    for rank in range(head, n_candidates):
        closest = same[:, rank].gather(1, kept).amax(dim=1, keepdim=True).long()
        new = prices[:, rank].gather(1, closest)
        worst = (price * n_candidates - order.gather(1, kept)).argmin(dim=1, keepdim=True)
        beats = new > price.gather(1, worst)
        for of_kept, value in ((price, new), (alike, closest), (kept, torch.full_like(worst, rank))):
            of_kept.scatter_(1, worst, torch.where(beats, value, of_kept.gather(1, worst)))
    scores = paid.gather(1, kept[..., None].expand(-1, -1, paid.shape[2])).gather(2, alike[..., None])[..., 0]
    return torch.full_like(candidates.scores, -torch.inf).scatter(1, order.gather(1, kept), scores)


RULES: dict[PruneBy, Prune] = {"bs": standard, "dbs-dedup": distinct, "dbs-penalty": penalised}
"""The rules that decoders take by name."""


def _log_penalty(n_same: Tensor, n_revealed: Tensor) -> Tensor:
    """log(1 - ln(1 + rho)), rho = n_same / n_revealed from 0 (nothing in common) to 1 (the same SID so far). float64

    A likeness above 1, which nothing has, is NaN.
    """
    return torch.log1p(-torch.log1p(n_same.double() / n_revealed))


def _first_of_each(codes: Tensor, scores: Tensor) -> Tensor:
    """Scores with -inf for all but the best of each distinct sequence. Shapes: (B, M, S), (B, M) -> (B, M)"""
    order = best(scores, scores.shape[1])
    ranked = _take(codes, order)
    first, *others = ranked.unbind(2)
    same = _pairs_equal(first)
    for column in others:
        same &= _pairs_equal(column)
    repeats = same.tril(-1).any(dim=2)
    return scores.scatter(1, order, scores.gather(1, order).masked_fill(repeats, -torch.inf))


def _agreement(sids: Tensor) -> Tensor:
    """In how many slots two candidates have revealed the same code. Shape: (B, M, S) -> (B, M, M), uint8"""
    first, *others = sids.unbind(2)
    same = _both_revealed(first)
    for column in others:
        same += _both_revealed(column)
    return same


def _both_revealed(column: Tensor) -> Tensor:
    """1 where two candidates have the same code. Shape: (B, M) -> (B, M, M), uint8"""
    return _pairs_equal(column).logical_and_((column != MASK)[:, :, None]).view(torch.uint8)


def _pairs_equal(column: Tensor) -> Tensor:
    """Shape: (B, M) -> (B, M, M), bool"""
    return column[:, :, None] == column[:, None, :]


def _take(codes: Tensor, order: Tensor) -> Tensor:
    """Rows of `codes` by position. Shapes: (B, M, S), (B, P) -> (B, P, S)"""
    return codes.gather(1, order[:, :, None].expand(-1, -1, codes.shape[2]))
