"""Pruning: which candidates of a step survive, and with what score (Algorithm 1, lines 15-25; semantics section 4).

A rule gives every candidate the score it goes on with, -inf where it drops out; the search keeps the b best of these.
Candidates stand in the order of ties (parent beam, slot, code), so of equal scores the first wins.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from mindrec_bench.contracts import MASK

from .diffusion import PruneBy
from .expansion import Beams
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
    only ever join, so they are done at once; each later rank costs a few operations on all users together.
    """
    n_candidates = candidates.scores.shape[1]
    order = best(candidates.scores, n_candidates)
    scores = candidates.scores.gather(1, order)
    sids = _take(candidates.codes[:, :, n_categories:], order)
    same = _agreement(sids)
    n_revealed = (sids != MASK).sum(dim=2)

    head = min(beam, n_candidates)
    closest = same[:, :head, :head].tril(-1).amax(dim=2)
    paid = scores[:, :head] + _log_penalty(closest, n_revealed[:, :head])
    kept = torch.arange(head, device=scores.device).expand(len(scores), head)
    for rank in range(head, n_candidates):
        closest = same[:, rank].gather(1, kept).amax(dim=1)
        new = scores[:, rank] + _log_penalty(closest, n_revealed[:, rank])
        price = units(paid, n_candidates)
        worst = (price * n_candidates - order.gather(1, kept)).argmin(dim=1, keepdim=True)
        beats = units(new[:, None], n_candidates) > price.gather(1, worst)
        paid = paid.scatter(1, worst, torch.where(beats, new[:, None], paid.gather(1, worst)))
        kept = kept.scatter(1, worst, torch.where(beats, rank, kept.gather(1, worst)))
    return torch.full_like(scores, -torch.inf).scatter(1, order.gather(1, kept), paid)


RULES: dict[PruneBy, Prune] = {"bs": standard, "dbs-dedup": distinct, "dbs-penalty": penalised}
"""The rules that decoders take by name."""


def _log_penalty(n_same: Tensor, n_revealed: Tensor) -> Tensor:
    """log(1 - ln(1 + rho)), rho = n_same / n_revealed from 0 (nothing in common) to 1 (the same SID so far). float64"""
    return torch.log1p(-torch.log1p(n_same.double() / n_revealed))


def _first_of_each(codes: Tensor, scores: Tensor) -> Tensor:
    """Scores with -inf for all but the best of each distinct sequence. Shapes: (B, M, S), (B, M) -> (B, M)"""
    order = best(scores, scores.shape[1])
    ranked = _take(codes, order)
    same = torch.stack([_pairs_equal(column) for column in ranked.unbind(2)]).all(dim=0)
    repeats = same.tril(-1).any(dim=2)
    return scores.scatter(1, order, scores.gather(1, order).masked_fill(repeats, -torch.inf))


def _agreement(sids: Tensor) -> Tensor:
    """In how many slots two candidates have revealed the same code. Shape: (B, M, S) -> (B, M, M), uint8"""
    equal = [_pairs_equal(column) & (column != MASK)[:, :, None] for column in sids.unbind(2)]
    return torch.stack(equal).sum(dim=0, dtype=torch.uint8)


def _pairs_equal(column: Tensor) -> Tensor:
    """Shape: (B, M) -> (B, M, M), bool"""
    return column[:, :, None] == column[:, None, :]


def _take(codes: Tensor, order: Tensor) -> Tensor:
    """Rows of `codes` by position. Shapes: (B, M, S), (B, P) -> (B, P, S)"""
    return codes.gather(1, order[:, :, None].expand(-1, -1, codes.shape[2]))
