"""`adaptive` against the reference, its forward passes, and its options."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mindrec_bench.core.code_space import MASK
from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.batch_decoder import Meter, MeteredContext
from mindrec_bench.plugins import registry
from mindrec_bench.testing import (
    DecodingProblem,
    TabularContext,
    TabularDenoiser,
    catalogue_model,
    check_decoder,
    make_canvas,
    random_space,
)
from mindrec_decoders.adaptive import Adaptive
from mindrec_decoders.rank_items import RankItems

from .problems import assert_row, cases
from .reference import NearTieError
from .step_reference import joint, most_certain_slot, step_search


def reference_results(case: DecodingProblem, user: int, order: str, beam: int):
    def sid_steps(log_probs, slots):
        def propose(codes, score):
            masked = [slot for slot in slots if codes[slot] == MASK]
            slot = most_certain_slot(case, user, log_probs, codes, masked, order)
            return [] if slot is None else joint(log_probs, [slot], 1)(codes, score)

        return [propose] * len(slots)

    return step_search(case, user, sid_steps, "standard", beam=beam)


@pytest.mark.parametrize("order", ["entropy", "confidence"])
@given(case=cases(), beam=st.sampled_from([1, 2, 3, 10]))
def test_against_the_reference(order, case, beam):
    try:
        expected = [reference_results(case, user, order, beam) for user in range(2)]
    except NearTieError:
        assume(False)
    ranking = case.decode(Adaptive(order=order), np.arange(2), beam=beam)
    for user in range(2):
        assert_row(ranking, user, expected[user])


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_best_items_without_repeats(seed):
    space = random_space((3, 3, 3), 27, seed=seed)
    case = DecodingProblem(
        "catalogue", space, catalogue_model(np.random.default_rng(seed).exponential(size=(1, 27))), "items"
    )
    ranking = case.decode(Adaptive(), np.array([0]), beam=40)
    items = case.decode(RankItems(), np.array([0]), beam=27)
    prob_of: dict[tuple[int, ...], float] = {}
    for codes, score in zip(items.codes[0].tolist(), items.scores[0].tolist(), strict=True):
        prob_of[tuple(codes)] = prob_of.get(tuple(codes), 0.0) + math.exp(score)
    best_first = sorted(prob_of.items(), key=lambda entry: -entry[1])
    assert_row(ranking, 0, [(codes, math.log(p)) for codes, p in best_first])


@pytest.mark.parametrize(("rescore", "passes"), [(0, 6), (1, 12), (24, 6 + 2 + 15), (99, 6 + 2 + 15)])
def test_forward_passes(rescore, passes):
    sizes = (2, 2, 2, 3, 2, 2)
    model = TabularDenoiser.random(sizes)
    meter = Meter()
    context = MeteredContext(TabularContext(model.table, sizes), meter)
    canvas = make_canvas(random_space(sizes, 4, n_categories=2), np.array([0]))
    Adaptive(rescore=rescore).decode(context, canvas, beam=3)
    assert meter.forward_passes == passes


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("", marks=pytest.mark.slow),
        pytest.param("order=confidence", marks=pytest.mark.slow),
        "order=entropy,rescore=2,normalise=slot",
        pytest.param("rescore=99", marks=pytest.mark.slow),
    ],
)
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


def test_two_ways_to_score_are_refused():
    with pytest.raises(UsageError, match="rescore and reverse=yes are two ways to score"):
        registry.make("decoder", "adaptive:rescore=2,reverse=yes")
