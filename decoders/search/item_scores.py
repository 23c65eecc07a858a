"""The probability that a masked model gives an item, over the orders in which its codes may be revealed.

The sampler that reveals the M open SID slots in a uniformly random order gives item x the probability f({}), where

    f(S) = mean over slots j not in S of  p(x_j | history, x_S) * f(S + j),   f(all slots) = 1:

dynamic programming over the sets S of revealed slots (docs/ranking.md). Category slots come first, from left to right,
as in every search. A set's states are answered in one go, equal partial sequences of a user once; the only number that
the host waits for is how many states that leaves, once for all sets. `NextCodeAsDenoiser` makes a causal model answer,
with `score="order"`: the chain rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.protocols import Canvas, CausalContext, DenoiserContext

from .beam_search import masked_slots
from .distinct_states import DistinctStates, distinct_states, mask_slots
from .most_certain import certainty
from .options import ItemScore, Normalise, OrderOption
from .scores import as_scores, stable_topk

STATES_AT_ONCE = 2**14
"""States of all users in one call of the model: bounds the memory."""

RevealedSet = frozenset[int]
"""The slots of the canvas that are revealed beyond the given ones."""


@dataclass(frozen=True, eq=False)
class NextCodeAsDenoiser:
    """A causal context as a `DenoiserContext` for one slot at a time, with all slots before it revealed."""

    context: CausalContext

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """See `DenoiserContext.log_probs`."""
        (slot,) = slots
        return self.context.next_log_probs(revealed[:, :, :slot])[:, :, None]


@dataclass(frozen=True)
class RevealPlan:
    """Which slots may follow each set of revealed slots, smaller sets first; it ends where all slots are revealed.

    Behind a set in `independent` the slots that may follow are filled at once, each as if the others did not matter.
    """

    next_slots: Mapping[RevealedSet, tuple[int, ...]]
    independent: frozenset[RevealedSet] = frozenset()

    @classmethod
    def make(
        cls, categories: tuple[int, ...], sids: tuple[int, ...], score: ItemScore, order: OrderOption
    ) -> RevealPlan:
        """The plan of a score: categories from left to right, then the SID slots in every order, or in one.

        Args:
            categories: the category slots to fill.
            sids: the SID slots to fill.
            score: see `ItemScorer`.
            order: the order of `score="order"`, not `entropy`, which depends on the item.
        """
        plan: dict[RevealedSet, tuple[int, ...]] = {}
        plan |= {frozenset(categories[:count]): (slot,) for count, slot in enumerate(categories)}
        if score == "order":
            sids = sids if order == "left-to-right" else sids[::-1]
            plan |= {frozenset((*categories, *sids[:count])): (slot,) for count, slot in enumerate(sids)}
            return cls(plan)
        for count in range(len(sids)):
            for revealed in combinations(sids, count):
                plan[frozenset((*categories, *revealed))] = tuple(slot for slot in sids if slot not in revealed)
        return cls(plan)

    def bounded(self, depth: int, n_categories: int) -> RevealPlan:
        """The plan up to `depth` SID slots. Every later factor is at most 1, so its score is an upper bound."""
        return RevealPlan(
            {
                revealed: slots
                for revealed, slots in self.next_slots.items()
                if sum(slot >= n_categories for slot in revealed) < depth
            }
        )

    def independent_after(self, depth: int, n_categories: int) -> RevealPlan:
        """The plan of all orders up to `depth` SID slots, the others independent of each other: an estimate."""
        sets = self.bounded(depth + 1, n_categories).next_slots
        last = frozenset(r for r in sets if sum(slot >= n_categories for slot in r) == depth)
        return RevealPlan(sets, last)


@dataclass(frozen=True, eq=False)
class SetStates:
    """The states that candidates have where one set of slots is revealed.

    Attributes:
        revealed: the set.
        slots: the slots that may follow.
        states: of each candidate. Shape: (B, C, T)
        distinct: which of them are equal.
    """

    revealed: RevealedSet
    slots: tuple[int, ...]
    states: Tensor
    distinct: DistinctStates


@dataclass(eq=False)
class ItemScorer:
    """Scores items by their codes.

    Attributes:
        context: the model, with the users' histories encoded.
        canvas: given codes, and the slots to fill.
        score: `marginal`, `mean-log` (the mean over orders of the log-probability, which is at most the former) or
            `order` (one order of the SID slots).
        order: which order, for `order`.
        normalise: `slot` renormalises each distribution over the slot's own codes.
        n_states: how many distinct states of each user the model has answered for. Shape: (B,), int64
    """

    context: DenoiserContext
    canvas: Canvas
    score: ItemScore = "marginal"
    order: OrderOption = "left-to-right"
    normalise: Normalise = "vocabulary"
    n_states: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.n_states = torch.zeros_like(self.canvas.start[:, 0])
        self.categories, self.sids = masked_slots(self.canvas)

    @property
    def plan(self) -> RevealPlan:
        """The sets that the score asks for."""
        return RevealPlan.make(self.categories, self.sids, self.score, self.order)

    def scores(
        self, codes: Tensor, plan: RevealPlan | None = None, known: Mapping[RevealedSet, Tensor] | None = None
    ) -> Tensor:
        """The log-probability of each candidate.

        Args:
            codes: candidates, which agree with `canvas.start`; -1 in all slots of the padding. Shape: (B, C, T), int64
            plan: the sets to ask for; None: all that the score takes.
            known: `log_probs` that are known already, by set.

        Returns:
            -inf for the padding. Shape: (B, C), float64
        """
        if self.score == "order" and self.order == "entropy":
            return self._scores_by_entropy(codes)
        plan = plan or self.plan
        return self.combine(codes, plan, {**(known or {}), **self.log_probs(codes, plan, without=known or {})})

    def log_probs(
        self, codes: Tensor, plan: RevealPlan, *, without: Mapping[RevealedSet, Tensor] | None = None
    ) -> dict[RevealedSet, Tensor]:
        """log p of each candidate's own code in each slot that may follow each set, sets in `without` left out.

        Shape: (B, C, T) -> (B, C, slots that may follow) for each set, float64
        """
        padding, codes = is_padding(codes), _without_padding(codes)
        sets = [self._states(codes, revealed, plan) for revealed in plan.next_slots if revealed not in (without or {})]
        if not sets:
            return {}
        self.n_states += torch.stack([(one.distinct.is_first & ~padding).sum(dim=1) for one in sets]).sum(dim=0)
        most = torch.stack([one.distinct.counts.amax() for one in sets]).tolist()
        return {one.revealed: self._answer(one, codes, count) for one, count in zip(sets, most, strict=True)}

    def cost(self, codes: Tensor, plan: RevealPlan, *, without: Mapping[RevealedSet, Tensor]) -> Tensor:
        """How many states the first so many candidates of a user take, without asking. (B, C, T) -> (B, C), int64"""
        padding, codes = is_padding(codes), _without_padding(codes)
        total = torch.zeros(codes.shape[:2], dtype=torch.int64, device=codes.device)
        for revealed in plan.next_slots:
            if revealed not in without:
                total += self._states(codes, revealed, plan).distinct.is_first & ~padding
        return total.cumsum(dim=1)

    def combine(self, codes: Tensor, plan: RevealPlan, log_probs: Mapping[RevealedSet, Tensor]) -> Tensor:
        """The scores from `log_probs`, by dynamic programming over the sets. Shape: (B, C, T) -> (B, C), float64"""
        scores: dict[RevealedSet, Tensor] = {}
        nothing_left = torch.zeros(codes.shape[:2], dtype=torch.float64, device=codes.device)
        for revealed, slots in sorted(plan.next_slots.items(), key=lambda entry: -len(entry[0])):
            rest = torch.stack([scores.get(revealed | {slot}, nothing_left) for slot in slots], dim=2)
            terms = log_probs[revealed].double() + rest
            if revealed in plan.independent:
                scores[revealed] = terms.sum(dim=2)
                continue
            mean_log = self.score == "mean-log"
            scores[revealed] = terms.mean(dim=2) if mean_log else terms.logsumexp(dim=2) - math.log(len(slots))
        total = scores.get(frozenset(), nothing_left)
        return total.masked_fill(is_padding(codes), -torch.inf)

    def _states(self, codes: Tensor, revealed: RevealedSet, plan: RevealPlan) -> SetStates:
        """The states of one set, before they are answered."""
        states = mask_slots(codes, {*self.categories, *self.sids} - revealed)
        return SetStates(revealed, plan.next_slots[revealed], states, distinct_states(states, self.canvas.sizes))

    def _answer(self, one: SetStates, codes: Tensor, most: int) -> Tensor:
        """log p of each candidate's own codes after one set. `most` distinct states of a user at most. (B, C, S)"""
        states = one.states.gather(1, one.distinct.member[:, :most, None].expand(-1, -1, one.states.shape[2]))
        slot_codes = torch.stack([codes[:, :, slot] for slot in one.slots], dim=2)
        result = torch.full(slot_codes.shape, -torch.inf, dtype=torch.float64, device=codes.device)
        for first, log_probs in self._ask(states, one.slots):
            number = one.distinct.number - first
            mine = (number >= 0) & (number < log_probs.shape[1])
            own = own_log_probs(log_probs, number.where(mine, 0), slot_codes, self.normalise)
            result = own.where(mine[..., None], result)
        return result

    def _ask(self, states: Tensor, slots: tuple[int, ...]) -> Iterator[tuple[int, Tensor]]:
        """Answers in chunks: the first state of each, and log p. Shapes: (B, K, T) -> (B, k, S, V)"""
        at_once = max(1, STATES_AT_ONCE // len(states))
        for first in range(0, states.shape[1], at_once):
            yield first, self.context.log_probs(states[:, first : first + at_once], slots)

    def _scores_by_entropy(self, codes: Tensor) -> Tensor:
        """Each candidate fills the slot of lowest entropy next, ties to the lower slot."""
        padding, codes = is_padding(codes), _without_padding(codes)
        states = mask_slots(codes, {*self.categories, *self.sids})
        total = torch.zeros(codes.shape[:2], dtype=torch.float64, device=codes.device)
        for slots in [*((slot,) for slot in self.categories), *([self.sids] * len(self.sids))]:
            distinct = distinct_states(states, self.canvas.sizes)
            self.n_states += (distinct.is_first & ~padding).sum(dim=1)
            most = int(distinct.counts.max())
            asked = states.gather(1, distinct.member[:, :most, None].expand(-1, -1, states.shape[2]))
            masked = torch.stack([states[:, :, slot] == MASK for slot in slots], dim=2)
            slot_codes = torch.stack([codes[:, :, slot] for slot in slots], dim=2)
            chosen, log_p = torch.zeros_like(distinct.number), torch.zeros_like(total)
            for first, log_probs in self._ask(asked, slots):
                number = distinct.number - first
                mine = (number >= 0) & (number < log_probs.shape[1])
                number = number.where(mine, 0)
                certain = certainty(log_probs.double(), "entropy")
                certain = certain.gather(1, number[..., None].expand(-1, -1, len(slots)))
                # A slot without any possible code comes last, but before those that are revealed.
                certain = certain.clamp(min=-1e6).where(masked, -torch.inf)
                slot = stable_topk(certain, 1)
                own = own_log_probs(log_probs, number, slot_codes, self.normalise).gather(2, slot)
                chosen, log_p = slot[..., 0].where(mine, chosen), own[..., 0].where(mine, log_p)
            total += log_p
            column = torch.tensor(slots, device=codes.device)[chosen][..., None]
            states = states.scatter(2, column, codes.gather(2, column))
        return total.masked_fill(padding, -torch.inf)


def item_scores(
    context: DenoiserContext,
    canvas: Canvas,
    codes: Tensor,
    *,
    score: ItemScore = "marginal",
    order: OrderOption = "left-to-right",
    normalise: Normalise = "vocabulary",
) -> Tensor:
    """The log-probability that the model gives to each candidate; see `ItemScorer`.

    Args:
        context: the model; a causal one as `NextCodeAsDenoiser`, with `score="order"`.
        canvas: given codes, and the slots to fill.
        codes: candidates, which agree with `canvas.start`; -1 in all slots of the padding. Shape: (B, C, T), int64
        score: see `ItemScorer`, as the other options.
        order: the order of `score="order"`.
        normalise: what a slot's probabilities sum to 1 over.

    Returns:
        -inf for the padding and for impossible items. Shape: (B, C), float64
    """
    return ItemScorer(context, canvas, score, order, normalise).scores(codes)


def own_log_probs(log_probs: Tensor, number: Tensor, slot_codes: Tensor, normalise: Normalise) -> Tensor:
    """log p of each candidate's own codes at the state that it has.

    Args:
        log_probs: of K states. Shape: (B, K, S, V)
        number: the state of each of C candidates. Shape: (B, C)
        slot_codes: their codes in the S slots. Shape: (B, C, S)
        normalise: see `as_scores`.

    Returns:
        Shape: (B, C, S), float64
    """
    if normalise == "slot":
        log_probs = as_scores(log_probs, normalise)
    _, _, n_slots, n_codes = log_probs.shape
    index = (number[..., None] * n_slots + torch.arange(n_slots, device=number.device)) * n_codes + slot_codes
    return log_probs.flatten(1).gather(1, index.flatten(1)).view(index.shape).double()


def is_padding(codes: Tensor) -> Tensor:
    """Candidates that are none. Shape: (B, C, T) -> (B, C), bool"""
    return (codes == MASK).any(dim=2)


def _without_padding(codes: Tensor) -> Tensor:
    """The padding replaced by the user's first candidate, so that it asks for no state of its own."""
    return codes.where(~is_padding(codes)[..., None], codes[:, :1]).clamp(min=0)
