"""Scores of items over reveal orders, against enumeration."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.lifting import adapt
from mindrec_bench.testing import DecodingProblem, TabularDenoiser, make_canvas, random_space
from mindrec_decoders.search import item_scores as module
from mindrec_decoders.search.distinct_states import distinct_states
from mindrec_decoders.search.item_scores import ItemScorer, NextCodeAsDenoiser, item_scores

from ..problems import cases, log_probs_of, start_of


def context_of(case: DecodingProblem, users: list[int], needs="denoiser"):
    model = adapt(case.model, case.capability, needs, case.space)
    return model.begin(Histories(np.full((len(users), 1), -1), np.array(users)), tuple(range(case.space.n_slots)))


def orders_of(case: DecodingProblem, user: int) -> list[tuple[int, ...]]:
    """All reveal orders: categories from left to right, then the SID slots in any order."""
    masked = [slot for slot, code in enumerate(start_of(case, user)) if code == MASK]
    categories = [slot for slot in masked if slot < case.space.n_categories]
    return [(*categories, *sids) for sids in itertools.permutations(masked[len(categories) :])]


def log_prob_in_order(log_probs, start, item, order, normalise="vocabulary") -> float:
    """The chain rule along one order."""
    codes, total = list(start), 0.0
    for slot in order:
        values = log_probs(tuple(codes), slot)
        total += values[item[slot]]
        if normalise == "slot":
            total -= np.logaddexp.reduce(values) if max(values) > -math.inf else 0.0
        codes[slot] = item[slot]
    return total


def candidates_of(case: DecodingProblem, users: list[int]) -> torch.Tensor:
    """The catalogue, with each user's given codes written over it."""
    start = torch.from_numpy(case.start[users]) if case.start is not None else None
    items = torch.from_numpy(case.space.item_codes).expand(len(users), -1, -1)
    return items if start is None else items.where(start[:, None] == MASK, start[:, None])


def close(value: float) -> object:
    return pytest.approx(value, abs=1e-9) if value > -math.inf else -math.inf


@given(case=cases(), normalise=st.sampled_from(["vocabulary", "slot"]), at_once=st.sampled_from([1, 5, 2**14]))
def test_scores_are_those_of_enumeration(case, normalise, at_once):
    users = [1, 0]
    codes, canvas = candidates_of(case, users), case.canvas(np.array(users))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STATES_AT_ONCE", at_once)
        of = {
            (score, order): item_scores(
                context_of(case, users), canvas, codes, score=score, order=order, normalise=normalise
            ).tolist()
            for score, order in (
                ("marginal", "reverse"),
                ("mean-log", "reverse"),
                ("order", "left-to-right"),
                ("order", "reverse"),
            )
        }
    for row, user in enumerate(users):
        orders, log_probs = orders_of(case, user), functools.cache(log_probs_of(case, user))
        n_categories = sum(slot < case.space.n_categories for slot in orders[0])
        reverse = (*orders[0][:n_categories], *orders[0][n_categories:][::-1])
        for column, item in enumerate(codes[row].tolist()):
            per_order = [log_prob_in_order(log_probs, start_of(case, user), item, order, normalise) for order in orders]
            expected = float(np.logaddexp.reduce(per_order)) - math.log(len(orders))
            assert of["marginal", "reverse"][row][column] == close(expected)
            assert of["mean-log", "reverse"][row][column] == close(sum(per_order) / len(orders))
            assert of["order", "left-to-right"][row][column] == close(per_order[0])
            assert of["order", "reverse"][row][column] == close(per_order[orders.index(reverse)])
            assert of["mean-log", "reverse"][row][column] <= of["marginal", "reverse"][row][column] + 1e-12


@given(case=cases())
def test_bounds_hold_and_fall(case):
    users = [0, 1]
    codes, canvas = candidates_of(case, users), case.canvas(np.array(users))
    for score in ("marginal", "mean-log"):
        scorer = ItemScorer(context_of(case, users), canvas, score)
        bounds = [
            scorer.scores(codes, scorer.plan.bounded(depth, case.space.n_categories)) for depth in (0, 1, 2, 3, 4)
        ]
        for lower, upper in itertools.pairwise(bounds[::-1]):
            assert (lower <= upper + 1e-12).all()
        assert torch.equal(bounds[4], scorer.scores(codes))


@pytest.mark.parametrize("n_categories", [0, 1, 2])
def test_marginals_of_all_sequences_sum_to_one(n_categories):
    """A distribution, where each slot's own codes sum to 1."""
    sizes = (2, 3, 2, 3, 2)
    space = random_space(sizes, 12, n_categories=n_categories)
    model = TabularDenoiser.random(sizes, users=3, seed=7)
    codes = torch.tensor(list(itertools.product(*map(range, sizes)))).expand(3, -1, -1)
    case = DecodingProblem("all", space, model, "denoiser")
    canvas = make_canvas(space, np.arange(3))
    for score, order in (("marginal", "reverse"), ("order", "reverse"), ("order", "entropy")):
        scores = item_scores(context_of(case, [0, 1, 2]), canvas, codes, score=score, order=order, normalise="slot")
        assert scores.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 3)


@given(case=cases())
def test_entropy_order_is_the_chain_rule_along_the_most_certain_slots(case):
    codes, canvas = candidates_of(case, [0]), case.canvas(np.array([0]))
    scores = item_scores(context_of(case, [0]), canvas, codes, score="order", order="entropy")[0].tolist()
    log_probs = log_probs_of(case, 0)
    for item, score in zip(codes[0].tolist(), scores, strict=True):
        state, total = list(start_of(case, 0)), 0.0
        masked = list(orders_of(case, 0)[0])
        while masked:
            open_slots = masked[:1] if masked[0] < case.space.n_categories else masked
            entropies = []
            for slot in open_slots:
                p = np.exp(np.array(log_probs(tuple(state), slot)))
                p = p[p > 0] / p.sum()
                entropies.append(round(float(-(p * np.log(p)).sum()) * 1e9) if len(p) else math.inf)
            slot = open_slots[entropies.index(min(entropies))]
            total += log_probs(tuple(state), slot)[item[slot]]
            state[slot] = item[slot]
            masked.remove(slot)
        assert score == close(total)


@given(case=cases())
def test_chain_rule_of_a_causal_model(case):
    codes, canvas = candidates_of(case, [0, 1]), case.canvas(np.arange(2))
    causal = NextCodeAsDenoiser(context_of(case, [0, 1], "causal"))
    expected = item_scores(context_of(case, [0, 1]), canvas, codes, score="order")
    assert torch.equal(item_scores(causal, canvas, codes, score="order"), expected)


def test_equal_partial_sequences_are_asked_for_once():
    """Two candidates that share their first two codes, and padding, which asks for nothing."""
    sizes = (3, 3, 3, 3)
    case = DecodingProblem("two", random_space(sizes, 5), TabularDenoiser.random(sizes, users=2), "denoiser")
    codes = torch.tensor([[[0, 1, 2, 0], [0, 1, 0, 1], [MASK] * 4], [[0, 1, 2, 0], [MASK] * 4, [MASK] * 4]])
    scorer = ItemScorer(context_of(case, [0, 1]), make_canvas(case.space, np.arange(2)))
    scores = scorer.scores(codes)
    one = 1 + 4 + 6 + 4
    shared = 1 + 2 + 1  # nothing revealed, the first code, the second, both
    assert scorer.n_states.tolist() == [2 * one - shared, one]
    assert (scores > -math.inf).tolist() == [[True, True, False], [True, False, False]]


@given(sizes=st.lists(st.sampled_from([2, 3, 2**20]), min_size=1, max_size=6), seed=st.integers(0, 2**32 - 1))
def test_distinct_states(sizes, seed):
    """Against a dictionary, with codes too many for one integer."""
    states = np.random.default_rng(seed).integers(MASK, 2, size=(2, 9, len(sizes)))
    distinct = distinct_states(torch.from_numpy(states), sizes)
    for row in range(2):
        known: dict[tuple[int, ...], int] = {}
        for column, state in enumerate(map(tuple, states[row].tolist())):
            assert bool(distinct.is_first[row, column]) == (state not in known)
            known.setdefault(state, column)
            assert distinct.member[row, distinct.number[row, column]] == known[state]
        assert int(distinct.counts[row]) == len(known)
        assert int(distinct.number[row].max()) == len(known) - 1
