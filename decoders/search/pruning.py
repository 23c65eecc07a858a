"""Pruning: which candidates of a step survive, and with what score (paper Algorithm 1, lines 15-25).

A rule gives every candidate its new score, -inf where it is dropped; the search keeps the b best of these. Candidates
are in tie order (parent, slot, code), so of equal scores the first wins. See docs/semantics.md, Decoding.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK

from .expansion import Hypotheses
from .options import PruningName
from .penalty_walk import pairs_equal, walk
from .scores import quantise_scores, stable_topk


class PruningRule(Protocol):
    """A pruning rule."""

    def __call__(self, candidates: Hypotheses, *, beam: int, n_categories: int) -> Tensor:
        """Score each candidate for survival.

        Args:
            candidates: M per user.
            beam: b, how many may survive.
            n_categories: how many leading slots are category slots.

        Returns:
            -inf for candidates that are dropped. Shape: (B, M), float64
        """
        ...


def standard(candidates: Hypotheses, *, beam: int, n_categories: int) -> Tensor:
    """The b best by score; a sequence reached in two orders counts twice."""
    return candidates.scores


def dedup(candidates: Hypotheses, *, beam: int, n_categories: int) -> Tensor:
    """The b best distinct sequences, categories and SID together."""
    return _drop_repeats(candidates.codes, candidates.scores)


def sum_repeats(candidates: Hypotheses, *, beam: int, n_categories: int) -> Tensor:
    """The b best distinct sequences, by the sum of the probabilities with which the candidates reach each.

    The `weighted` de-duplication of DiffGRM (arXiv 2510.21805). A sequence stands where its best candidate stands.
    """
    order = stable_topk(candidates.scores, candidates.scores.shape[1])
    scores = candidates.scores.gather(1, order)
    same = _equal_sequences(_take_rows(candidates.codes, order))
    first, number = same.view(torch.uint8).argmax(dim=2), same.tril(-1).sum(dim=2)
    # Parents are distinct, so one sequence has at most one candidate for each slot that may have been filled last. Each
    # term has a place of its own, so sums have the same bits on every device; what does not exist goes to a last place.
    n_slots, n_candidates = candidates.codes.shape[2], scores.shape[1]
    place = (number * n_candidates + first).where(scores > -torch.inf, n_slots * n_candidates)
    terms = scores.new_full((len(scores), n_slots * n_candidates + 1), -torch.inf).scatter(1, place, scores)
    totals = terms[:, :-1].unflatten(1, (n_slots, n_candidates)).logsumexp(dim=1)
    return scores.scatter(1, order, totals)


def dedup_sids(candidates: Hypotheses, *, beam: int, n_categories: int) -> Tensor:
    """The b best with distinct SIDs: what the paper's released evaluation computes in place of the penalty."""
    return _drop_repeats(candidates.codes[:, :, n_categories:], candidates.scores)


def penalty(candidates: Hypotheses, *, beam: int, n_categories: int) -> Tensor:
    """Algorithm 1: a candidate is penalised for its similarity to those kept so far, and keeps its penalised score.

    The penalised score of a rank at every possible similarity is computed beforehand; then `walk` visits the ranks.
    """
    n_candidates = candidates.scores.shape[1]
    order = stable_topk(candidates.scores, n_candidates)
    sids = _take_rows(candidates.codes[:, :, n_categories:], order)
    possible_shared = torch.arange(sids.shape[2] + 1, device=order.device)
    n_revealed = (sids != MASK).sum(dim=2)
    penalised = candidates.scores.gather(1, order)[..., None] + _log_penalty(possible_shared, n_revealed[..., None])
    kept, kept_shared = walk(sids, quantise_scores(penalised, n_candidates), order, min(beam, n_candidates))
    kept_scores = penalised.gather(1, kept[..., None].expand(-1, -1, penalised.shape[2]))
    kept_scores = kept_scores.gather(2, kept_shared[..., None])[..., 0]
    return torch.full_like(candidates.scores, -torch.inf).scatter(1, order.gather(1, kept), kept_scores)


PRUNING_RULES: dict[PruningName, PruningRule] = {
    "standard": standard,
    "sum": sum_repeats,
    "dedup": dedup,
    "dedup-sids": dedup_sids,
    "penalty": penalty,
}
"""The pruning rules, by name."""


def _log_penalty(n_shared: Tensor, n_revealed: Tensor) -> Tensor:
    """log(1 - ln(1 + rho)), rho = n_shared / n_revealed from 0 (nothing in common) to 1 (the same SID so far). float64

    NaN for a similarity above 1, which no pair of candidates has.
    """
    return torch.log1p(-torch.log1p(n_shared.double() / n_revealed))


def _drop_repeats(codes: Tensor, scores: Tensor) -> Tensor:
    """Scores with -inf for all but the best of each distinct sequence. Shapes: (B, M, S), (B, M) -> (B, M)"""
    order = stable_topk(scores, scores.shape[1])
    repeats = _equal_sequences(_take_rows(codes, order)).tril(-1).any(dim=2)
    return scores.scatter(1, order, scores.gather(1, order).masked_fill(repeats, -torch.inf))


def _equal_sequences(codes: Tensor) -> Tensor:
    """Which pairs of candidates are one sequence. Shape: (B, M, S) -> (B, M, M), bool"""
    first, *others = codes.unbind(2)
    same = pairs_equal(first)
    for column in others:
        same &= pairs_equal(column)
    return same


def _take_rows(codes: Tensor, rows: Tensor) -> Tensor:
    """Shapes: (B, M, S), (B, P) -> (B, P, S)"""
    return codes.gather(1, rows[:, :, None].expand(-1, -1, codes.shape[2]))
