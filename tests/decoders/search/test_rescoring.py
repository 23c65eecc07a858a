"""Rescoring: the mean over random reveal orders, and over the search's order and its reverse."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from mindrec_bench.core.code_space import MASK
from mindrec_bench.experiment.batch_decoder import Meter, MeteredContext
from mindrec_bench.testing import (
    DecodingProblem,
    TabularContext,
    TabularDenoiser,
    catalogue_model,
    make_canvas,
    random_space,
)
from mindrec_decoders.adaptive import Adaptive
from mindrec_decoders.search.rescoring import random_reveal_orders

from ..problems import assert_row, cases, log_probs_of, start_of
from ..reference import Codes, LogProbs, NearTieError, in_order
from ..step_reference import most_certain_slot


def chain(log_probs: LogProbs, codes: Codes, order: list[int]) -> float:
    """The sum of the conditional log-probabilities of `codes`, revealed in this order."""
    state = [MASK if slot in order else code for slot, code in enumerate(codes)]
    total = 0.0
    for slot in order:
        total += log_probs(tuple(state), slot)[codes[slot]]
        state[slot] = codes[slot]
    return total


def assert_reranked(reranked, user: int, sequences: list[Codes], scores: list[float]) -> None:
    """The user's results are these sequences in the order of these scores."""
    try:
        ranks = in_order(scores)
    except NearTieError:
        assume(False)
    assert_row(reranked, user, [(sequences[i], scores[i]) for i in ranks])


def results_of(ranking, user: int) -> list[Codes]:
    return [tuple(codes) for codes in ranking.codes[user, : ranking.lengths[user]].tolist()]


@given(case=cases(), beam=st.sampled_from([1, 3, 10]), rescore=st.sampled_from([1, 3, 24]))
def test_rescoring_is_the_mean_over_the_orders(case, beam, rescore):
    ranking = case.decode(Adaptive(), np.arange(2), beam=beam)
    reranked = case.decode(Adaptive(rescore=rescore), np.arange(2), beam=beam)
    orders = random_reveal_orders(case.canvas(np.arange(2)), rescore)
    for user in range(2):
        log_probs, sequences = log_probs_of(case, user), results_of(ranking, user)
        scores = [sum(chain(log_probs, codes, order) for order in orders) / len(orders) for codes in sequences]
        assert_reranked(reranked, user, sequences, scores)


@given(case=cases(), beam=st.sampled_from([1, 3, 10]), order=st.sampled_from(["entropy", "confidence"]))
def test_reverse_rescoring_is_the_mean_of_the_search_order_and_its_reverse(case, beam, order):
    """The search's order is reconstructed from the start: a beam fills its most certain slot."""
    ranking = case.decode(Adaptive(order=order), np.arange(2), beam=beam)
    reranked = case.decode(Adaptive(order=order, reverse=True), np.arange(2), beam=beam)
    for user in range(2):
        log_probs, sequences, start = log_probs_of(case, user), results_of(ranking, user), start_of(case, user)
        categories = [slot for slot in range(case.space.n_categories) if start[slot] == MASK]
        scores = []
        for codes in sequences:
            state = [codes[slot] if slot in categories else start[slot] for slot in range(len(start))]
            search_order: list[int] = []
            while MASK in state:
                masked = [slot for slot, code in enumerate(state) if code == MASK]
                try:
                    search_order.append(most_certain_slot(case, user, log_probs, tuple(state), masked, order))
                except NearTieError:
                    assume(False)
                state[search_order[-1]] = codes[search_order[-1]]
            both = [chain(log_probs, codes, [*categories, *slots]) for slots in (search_order, search_order[::-1])]
            scores.append(sum(both) / 2)
        assert_reranked(reranked, user, sequences, scores)


def test_reverse_rescoring_changes_nothing_on_a_consistent_model_and_costs_a_pass_per_slot():
    space = random_space((2, 3, 3, 3), 20, n_categories=1, seed=3)
    model = catalogue_model(np.random.default_rng(4).exponential(size=(3, 20)))
    case, meter = DecodingProblem("catalogue", space, model, "items"), Meter()
    ranking, reranked = (case.decode(Adaptive(reverse=reverse), np.arange(3), beam=5) for reverse in (False, True))
    assert torch.equal(ranking.codes, reranked.codes)
    assert torch.allclose(ranking.scores, reranked.scores, rtol=0, atol=1e-9)
    context = MeteredContext(TabularContext(TabularDenoiser.random(space.sizes, users=3).table, space.sizes), meter)
    Adaptive(reverse=True).decode(context, case.canvas(np.arange(3)), beam=5)
    assert meter.forward_passes == 1 + 3 + 3


def test_reveal_orders_are_seeded_different_and_keep_categories_first():
    space = random_space((2, 3, 3, 2, 2), 5, n_categories=2)
    canvas = make_canvas(space, np.arange(2))
    orders = random_reveal_orders(canvas, 4)
    assert orders == random_reveal_orders(canvas, 4)
    assert len(set(orders)) == 4
    assert {order[:2] for order in orders} == {(0, 1)}
    assert sorted(random_reveal_orders(canvas, 99)) == [(0, 1, *rest) for rest in itertools.permutations((2, 3, 4))]
    with_categories = make_canvas(space, np.arange(2), start=np.array([[0, 1, MASK, MASK, MASK]] * 2))
    assert all(sorted(order) == [2, 3, 4] for order in random_reveal_orders(with_categories, 3))
    seeds = {tuple(random_reveal_orders(make_canvas(space, np.arange(2), seed=seed), 1)) for seed in range(30)}
    assert len(seeds) == 6
