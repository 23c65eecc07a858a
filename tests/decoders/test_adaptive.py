"""One slot a beam, the surest: against the plain reference; and rescoring over reveal orders."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mindrec_bench.core.code_space import MASK
from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.batch_decoder import Meter, MeteredContext
from mindrec_bench.plugins import options, registry
from mindrec_bench.testing import (
    Case,
    TabularContext,
    TabularDenoiser,
    catalogue_model,
    check_decoder,
    make_canvas,
    random_space,
)
from mindrec_decoders.adaptive import Adaptive
from mindrec_decoders.rank_items import RankItems
from mindrec_decoders.search.most_certain import certainty
from mindrec_decoders.search.rescoring import reveal_orders

from .plain import MANY, answers, cases, compare, joint, reachable, staged, stages_of
from .reference import INF, NearTieError, in_order


def sureness(values: list[float], order: str) -> float:
    """-entropy, or the top probability, of the distribution that the finite values stand for."""
    total = sum(math.exp(value) for value in values if value > -INF)
    if total == 0:
        return -INF
    probs = [math.exp(value) / total for value in values if value > -INF]
    return max(probs) if order == "confidence" else sum(p * math.log(p) for p in probs if p > 0)


def expected(case: Case, user: int, order: str, beam: int):
    items = [tuple(codes) for codes in case.space.item_codes.tolist()]

    def sid_stages(log_probs, slots):
        def propose(codes, score):
            masked = [slot for slot in slots if codes[slot] == MASK]
            sure = []
            for slot in masked:
                values = log_probs(codes, slot)
                if case.catalogue:
                    children = [(*codes[:slot], code, *codes[slot + 1 :]) for code in range(len(values))]
                    values = [v if reachable(c, items) else -INF for v, c in zip(values, children, strict=True)]
                sure.append(sureness(values, order))
            ranked = in_order(sure)
            return joint(log_probs, [masked[ranked[0]]], 1)(codes, score) if ranked else []

        return [propose] * len(slots)

    stages, start = stages_of(case, user, sid_stages, "standard")
    return staged(stages, start, case.space.n_categories, beam=beam)


@pytest.mark.parametrize("order", ["entropy", "confidence"])
@settings(MANY, max_examples=150)
@given(case=cases(), beam=st.sampled_from([1, 2, 3, 10]))
def test_against_the_reference(order, case, beam):
    try:
        wanted = [expected(case, user, order, beam) for user in range(2)]
    except NearTieError:
        assume(False)
    ranking = case.decode(Adaptive(order=order), np.arange(2), beam=beam)
    for user in range(2):
        compare(ranking, user, wanted[user])


def test_the_entropy_is_that_of_the_allowed_codes():
    """Most of slot 0's mass is on other slots' codes, which leaves it unsure among its own."""
    log_probs = torch.tensor([[0.05, 0.05, 0.0], [0.5, 0.2, 0.1]], dtype=torch.float64).log()
    half, rest = math.log(0.5), np.array([5, 2, 1]) / 8
    assert certainty(log_probs, "entropy").tolist() == pytest.approx([half, (rest * np.log(rest)).sum()])
    assert certainty(log_probs, "confidence").tolist() == pytest.approx([half, math.log(5 / 8)])
    assert certainty(torch.full((1, 3), -math.inf, dtype=torch.float64), "entropy").tolist() == [-math.inf]


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_best_items_without_repeats(seed):
    space = random_space((3, 3, 3), 27, seed=seed)
    case = Case("catalogue", space, catalogue_model(np.random.default_rng(seed).exponential(size=(1, 27))), "items")
    ranking = case.decode(Adaptive(), np.array([0]), beam=40)
    items = case.decode(RankItems(), np.array([0]), beam=27)
    mass: dict[tuple[int, ...], float] = {}
    for codes, score in zip(items.codes[0].tolist(), items.scores[0].tolist(), strict=True):
        mass[tuple(codes)] = mass.get(tuple(codes), 0.0) + math.exp(score)
    compare(ranking, 0, [(codes, math.log(p)) for codes, p in sorted(mass.items(), key=lambda entry: -entry[1])])


@settings(MANY, max_examples=40)
@given(case=cases(), beam=st.sampled_from([1, 3, 10]), rescore=st.sampled_from([1, 3, 24]))
def test_rescoring_is_the_mean_over_the_orders(case, beam, rescore):
    found = case.decode(Adaptive(), np.arange(2), beam=beam)
    anew = case.decode(Adaptive(rescore=rescore), np.arange(2), beam=beam)
    orders = reveal_orders(case.canvas(np.arange(2)), rescore)
    for user in range(2):
        log_probs = answers(case, user)
        results = [tuple(codes) for codes in found.codes[user, : found.lengths[user]].tolist()]
        scores = [sum(chain(log_probs, codes, order) for order in orders) / len(orders) for codes in results]
        try:
            ranked = in_order(scores)
        except NearTieError:
            assume(False)
        compare(anew, user, [(results[i], scores[i]) for i in ranked])


@settings(MANY, max_examples=60)
@given(case=cases(), beam=st.sampled_from([1, 3, 10]), order=st.sampled_from(["entropy", "confidence"]))
def test_both_ways_is_the_mean_of_the_search_and_its_reverse(case, beam, order):
    """The reveal order is found again by going down from the root: a beam fills its surest slot."""
    found = case.decode(Adaptive(order=order), np.arange(2), beam=beam)
    anew = case.decode(Adaptive(order=order, reverse=True), np.arange(2), beam=beam)
    canvas, items = case.canvas(np.arange(2)), [tuple(codes) for codes in case.space.item_codes.tolist()]
    for user in range(2):
        log_probs = answers(case, user)
        start = canvas.start[user].tolist()
        categories = [slot for slot in range(case.space.n_categories) if start[slot] == MASK]
        results = [tuple(codes) for codes in found.codes[user, : found.lengths[user]].tolist()]
        scores = []
        for codes in results:
            state = [start[slot] if slot not in categories else codes[slot] for slot in range(len(start))]
            taken: list[int] = []
            while MASK in state:
                masked = [slot for slot, code in enumerate(state) if code == MASK]
                sure = []
                for slot in masked:
                    values = log_probs(tuple(state), slot)
                    if case.catalogue:
                        children = [(*state[:slot], code, *state[slot + 1 :]) for code in range(len(values))]
                        values = [v if reachable(c, items) else -INF for v, c in zip(values, children, strict=True)]
                    sure.append(sureness(values, order))
                try:
                    taken.append(masked[in_order(sure)[0]])
                except NearTieError:
                    assume(False)
                state[taken[-1]] = codes[taken[-1]]
            ways = [chain(log_probs, codes, [*categories, *way]) for way in (taken, taken[::-1])]
            scores.append(sum(ways) / 2)
        try:
            ranked = in_order(scores)
        except NearTieError:
            assume(False)
        compare(anew, user, [(results[i], scores[i]) for i in ranked])


def test_both_ways_on_a_consistent_model_changes_nothing_and_costs_a_pass_a_slot():
    space = random_space((2, 3, 3, 3), 20, n_categories=1, seed=3)
    model = catalogue_model(np.random.default_rng(4).exponential(size=(3, 20)))
    case, meter = Case("catalogue", space, model, "items"), Meter()
    one, both = (case.decode(Adaptive(reverse=reverse), np.arange(3), beam=5) for reverse in (False, True))
    assert torch.equal(one.codes, both.codes)
    assert torch.allclose(one.scores, both.scores, rtol=0, atol=1e-9)
    context = MeteredContext(TabularContext(TabularDenoiser.random(space.sizes, users=3).table, space.sizes), meter)
    Adaptive(reverse=True).decode(context, case.canvas(np.arange(3)), beam=5)
    assert meter.passes == 1 + 3 + 3


def test_two_ways_to_score_are_refused():
    with pytest.raises(UsageError, match="rescore and reverse=yes are two ways to score"):
        registry.make("decoder", "adaptive:rescore=2,reverse=yes")


def test_an_option_that_came_later_changes_no_identity():
    assert options.as_dict(Adaptive()) == {"order": "entropy", "rescore": 0, "normalise": "vocabulary"}
    assert options.as_dict(Adaptive(reverse=True))["reverse"] is True


def chain(log_probs, codes, order) -> float:
    """The sum of the conditional log-probabilities of `codes`, revealed in this order."""
    state = [MASK if slot in order else code for slot, code in enumerate(codes)]
    total = 0.0
    for slot in order:
        total += log_probs(tuple(state), slot)[codes[slot]]
        state[slot] = codes[slot]
    return total


def test_reveal_orders_are_seeded_different_and_keep_categories_first():
    space = random_space((2, 3, 3, 2, 2), 5, n_categories=2)
    canvas = make_canvas(space, np.arange(2))
    orders = reveal_orders(canvas, 4)
    assert orders == reveal_orders(canvas, 4)
    assert len(set(orders)) == 4
    assert {order[:2] for order in orders} == {(0, 1)}
    assert sorted(reveal_orders(canvas, 99)) == [(0, 1, *rest) for rest in itertools.permutations((2, 3, 4))]
    given = make_canvas(space, np.arange(2), start=np.array([[0, 1, MASK, MASK, MASK]] * 2))
    assert all(sorted(order) == [2, 3, 4] for order in reveal_orders(given, 3))
    seeds = {tuple(reveal_orders(make_canvas(space, np.arange(2), seed=seed), 1)) for seed in range(30)}
    assert len(seeds) == 6


@pytest.mark.parametrize(("rescore", "passes"), [(0, 6), (1, 12), (24, 6 + 2 + 15), (99, 6 + 2 + 15)])
def test_forward_passes(rescore, passes):
    sizes = (2, 2, 2, 3, 2, 2)
    model = TabularDenoiser.random(sizes)
    meter = Meter()
    context = MeteredContext(TabularContext(model.table, sizes), meter)
    canvas = make_canvas(random_space(sizes, 4, n_categories=2), np.array([0]))
    Adaptive(rescore=rescore).decode(context, canvas, beam=3)
    assert meter.passes == passes


@pytest.mark.parametrize("spec", ["", "order=confidence", "order=entropy,rescore=2,normalise=slot", "rescore=99"])
def test_conforms(spec):
    check_decoder(registry.make("decoder", f"adaptive:{spec}")[1])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("adaptive:order=random", "allowed: entropy, confidence"),
        ("adaptive:rescore=-1", "must be a number of reveal orders, or 0"),
        ("adaptive:rescore=two", "must be a whole number"),
        ("adaptive:prune=bs", "no option 'prune'"),
    ],
)
def test_options_are_closed(spec, message):
    with pytest.raises(UsageError, match=message):
        registry.make("decoder", spec)
