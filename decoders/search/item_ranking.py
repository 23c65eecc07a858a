"""Rank the catalogue by a masked model's probabilities: a shortlist, exact scores, and a proof where it is asked for.

The shortlist has the best items by their first scores (`one_pass.py`); these are scored exactly (`item_scores.py`).
Most states reveal two codes or more. Where finalists are asked for, the states with one code choose them from the
shortlist, and only they are scored exactly.

A proof needs an upper bound for every item that is not scored. Every factor of the score is at most 1, so its first
factors are a bound: one is known from the one pass, two take the states that reveal one code. Items are then scored in
the order of their bounds, until the next bound is below the b-th best score (docs/ranking.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mindrec_bench.core.protocols import Ranking

from .catalogue_items import CatalogueItems
from .distinct_states import fill_given
from .item_scores import ItemScorer, RevealedSet
from .one_pass import IMPOSSIBLE, OnePass, one_pass
from .scores import RESOLUTION, stable_topk

N_PER_ROUND = 8
"""Items of a user that are scored before the bounds are compared again."""


@dataclass(eq=False)
class ItemRanker:
    """Scores items of the catalogue and keeps what is known of each.

    Attributes:
        scorer: asks the model.
        catalogue: C sequences.
        first: their first scores.
        scores: exact scores, -inf where there is none. Shape: (B, C), float64
        is_scored: Shape: (B, C), bool
    """

    scorer: ItemScorer
    catalogue: CatalogueItems
    first: OnePass

    def __post_init__(self) -> None:
        self.scores = torch.full_like(self.first.scores, -torch.inf)
        self.is_scored = torch.zeros_like(self.catalogue.allowed)

    def codes_of(self, items: Tensor, valid: Tensor) -> Tensor:
        """Codes of positions in the catalogue, -1 where not valid. Shapes: (B, P), (B, P) -> (B, P, T)"""
        codes = fill_given(self.catalogue.codes[items], self.scorer.canvas.start)
        return codes.masked_fill(~valid[..., None], -1)

    def score(self, items: Tensor, valid: Tensor, known: dict[RevealedSet, Tensor] | None = None) -> None:
        """Score sequences exactly. Shapes: (B, P), int64; (B, P), bool"""
        by_entropy = self.scorer.score == "order" and self.scorer.order == "entropy"
        if known is None:
            known = {} if by_entropy else self.first.known(self.scorer.plan, items)
        scores = self.scorer.scores(self.codes_of(items, valid), known=known)
        self.scores.scatter_(1, items, scores.where(valid, self.scores.gather(1, items)))
        self.is_scored.scatter_(1, items, valid | self.is_scored.gather(1, items))

    def score_shortlist(self, size: int, of_users: Tensor | None = None) -> None:
        """Score the best by first scores. `of_users`: only of these users. Shape: (B,), bool"""
        items = stable_topk(self.first.scores, size)
        valid = self.first.scores.gather(1, items) > -torch.inf
        self.score(items, valid if of_users is None else valid & of_users[:, None])

    def score_finalists(self, shortlist: int, finalists: int) -> None:
        """Score those of the shortlist that are best where one code is averaged over, the others independent."""
        items = stable_topk(self.first.scores, shortlist)
        valid = self.first.scores.gather(1, items) > -torch.inf
        codes = self.codes_of(items, valid)
        plan = self.scorer.plan.independent_after(1, self.scorer.canvas.n_categories)
        known = self.first.known(plan, items)
        known |= self.scorer.log_probs(codes, plan, without=known)
        estimates = self.scorer.combine(codes, plan, known).clamp(min=IMPOSSIBLE).masked_fill(~valid, -torch.inf)
        top = stable_topk(estimates, finalists)
        of_top = {revealed: _take(values, top) for revealed, values in known.items()}
        self.score(items.gather(1, top), valid.gather(1, top), of_top)

    def threshold(self, beam: int) -> Tensor:
        """The score of each user's b-th best result, -inf where there are fewer. Shape: (B, 1)"""
        scores = self.catalogue.ranking(self.scores, beam).scores
        return scores[:, -1:]


def rank_catalogue(
    scorer: ItemScorer, *, beam: int, shortlist: int | None, finalists: int | None = None, states: int | None = None
) -> Ranking:
    """The b best items.

    Args:
        scorer: says what the score is, and asks the model.
        beam: b.
        shortlist: how many items come into question, at least b; None: all.
        finalists: how many of these are scored exactly, at least b; None: all.
        states: prove the result with at most so many states of a user; None: without a proof.
    """
    catalogue = CatalogueItems.of(scorer.canvas)
    n_items = len(catalogue.codes)
    size = n_items if shortlist is None else min(max(shortlist, beam), n_items)
    ranker = ItemRanker(scorer, catalogue, one_pass(scorer, catalogue, size))
    if finalists is not None and max(finalists, beam) < size:
        ranker.score_finalists(size, max(finalists, beam))
        return catalogue.ranking(ranker.scores, beam)
    if states is None or size == n_items:
        ranker.score_shortlist(size)
        return catalogue.ranking(ranker.scores, beam, _n_proved(ranker, None, beam) if size == n_items else None)
    bounds = _prove(ranker, beam, size, states)
    return catalogue.ranking(ranker.scores, beam, _n_proved(ranker, bounds, beam))


def _prove(ranker: ItemRanker, beam: int, shortlist: int, states: int) -> Tensor:
    """Score items until no other can be among the b best, or the states are used up.

    Returns:
        An upper bound of every sequence that is allowed and has no score; -inf elsewhere. Shape: (B, C), float64
    """
    scorer, first = ranker.scorer, ranker.first
    plan = scorer.plan
    is_open = first.scores > -torch.inf
    ranker.score_shortlist(beam)
    n_categories = scorer.canvas.n_categories
    every = torch.arange(first.scores.shape[1], device=first.scores.device).expand_as(first.scores)
    one_factor = plan.bounded(1, n_categories)
    codes = ranker.catalogue.codes.expand(len(every), -1, -1)
    bounds = scorer.combine(codes, one_factor, first.known(one_factor, every))
    bounds = bounds.masked_fill(~is_open, -torch.inf)

    # The items that the first factor leaves, best first, and the states that reveal one of their codes.
    live = (bounds >= ranker.threshold(beam) - RESOLUTION) & ~ranker.is_scored & is_open
    n_live = int(live.sum(dim=1).max())
    if not n_live:
        return bounds.masked_fill(ranker.is_scored, -torch.inf)
    items = stable_topk(bounds.masked_fill(~live, -torch.inf), n_live)
    valid = live.gather(1, items)
    two_factors = plan.bounded(2, n_categories)
    known = first.known(two_factors, items)
    cost = scorer.cost(ranker.codes_of(items, valid), two_factors, without=known)
    affordable = scorer.n_states + cost[:, -1] <= states
    valid &= affordable[:, None]
    codes = ranker.codes_of(items, valid)
    pairs = scorer.log_probs(codes, two_factors, without=known)
    bounds.scatter_(1, items, scorer.combine(codes, two_factors, pairs | known).where(valid, bounds.gather(1, items)))
    ranker.score_shortlist(shortlist, ~affordable)

    known |= pairs
    while True:
        order = bounds.gather(1, items).masked_fill(~valid | ranker.is_scored.gather(1, items), -torch.inf)
        order = order.masked_fill(order < ranker.threshold(beam) - RESOLUTION, -torch.inf)
        top = stable_topk(order, N_PER_ROUND)
        chosen, chosen_valid = items.gather(1, top), order.gather(1, top) > -torch.inf
        of_chosen = {revealed: _take(values, top) for revealed, values in known.items() if revealed in plan.next_slots}
        cost = scorer.cost(ranker.codes_of(chosen, chosen_valid), plan, without=of_chosen)
        chosen_valid &= scorer.n_states[:, None] + cost <= states
        if not bool(chosen_valid.any()):
            return bounds.masked_fill(ranker.is_scored | ~is_open, -torch.inf)
        ranker.score(chosen, chosen_valid, of_chosen)


def _n_proved(ranker: ItemRanker, bounds: Tensor | None, beam: int) -> Tensor:
    """How many of each user's first results no other item can displace. `bounds` None: all are scored. Shape: (B,)"""
    highest = ranker.first.unfollowed
    if bounds is not None:
        highest = highest.maximum(bounds.amax(dim=1))
    scores = ranker.catalogue.ranking(ranker.scores, beam).scores
    proved = (scores > highest[:, None] + RESOLUTION).sum(dim=1)
    return proved.where(highest > -torch.inf, beam)


def _take(values: Tensor, rows: Tensor) -> Tensor:
    """Shapes: (B, P, S), (B, R) -> (B, R, S)"""
    return values.gather(1, rows[..., None].expand(-1, -1, values.shape[2]))
