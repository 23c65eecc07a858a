"""n slots per step: exact joint choices against enumeration, with and without the catalogue constraint."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.batch_decoder import Meter, MeteredContext
from mindrec_bench.plugins import registry
from mindrec_bench.testing import (
    DecodingProblem,
    TabularContext,
    TabularDenoiser,
    check_decoder,
    make_canvas,
    random_space,
)
from mindrec_decoders.bs import BeamSearch
from mindrec_decoders.dbs_dedup import DbsDedup
from mindrec_decoders.dbs_penalty import DbsPenalty
from mindrec_decoders.n_per_step import NPerStep

from .problems import assert_row, cases
from .reference import NearTieError
from .step_reference import RULES, joint, step_search

PRESETS = {"bs": BeamSearch, "dbs-dedup": DbsDedup, "dbs-penalty": DbsPenalty}


def reference_results(case: DecodingProblem, user: int, n: int, prune: str, beam: int):
    def sid_steps(log_probs, slots):
        return [joint(log_probs, slots, min(n, len(slots) - done)) for done in range(0, len(slots), n)]

    return step_search(case, user, sid_steps, RULES[prune], beam=beam)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@given(case=cases(), beam=st.sampled_from([1, 2, 3, 10]), prune=st.sampled_from(sorted(RULES)))
def test_against_enumeration(n, case, beam, prune):
    try:
        expected = [reference_results(case, user, n, prune, beam) for user in range(2)]
    except NearTieError:
        assume(False)
    ranking = case.decode(NPerStep(n=n, prune=prune), np.arange(2), beam=beam)
    for user in range(2):
        assert_row(ranking, user, expected[user])


@pytest.mark.parametrize("prune", sorted(RULES))
@given(case=cases(), beam=st.sampled_from([1, 3, 10]), propose=st.sampled_from(["top", "sample"]))
def test_one_slot_per_step_equals_any_order(prune, case, beam, propose):
    n_per_step = case.decode(NPerStep(n=1, prune=prune, propose=propose), np.arange(2), beam=beam)
    any_order = case.decode(PRESETS[prune](propose=propose), np.arange(2), beam=beam)
    assert torch.equal(n_per_step.codes, any_order.codes)
    assert torch.equal(n_per_step.scores, any_order.scores)


@pytest.mark.parametrize("catalogue", [False, True])
def test_all_four_at_once_are_the_exact_best(catalogue):
    sizes = (5, 4, 6, 3)
    space = random_space(sizes, 40, seed=1)
    model = TabularDenoiser.random(sizes, seed=2)
    ranking = DecodingProblem("tables", space, model, "denoiser", catalogue=catalogue).decode(
        NPerStep(n=4, prune="bs"), np.array([0]), beam=10
    )
    marginals = model.table[0, 0]
    allowed = set(map(tuple, space.item_codes.tolist())) if catalogue else None
    best_first = sorted(
        (-sum(float(marginals[slot, code]) for slot, code in enumerate(codes)), codes)
        for codes in itertools.product(*(range(size) for size in sizes))
        if allowed is None or codes in allowed
    )
    assert_row(ranking, 0, [(codes, -cost) for cost, codes in best_first[:10]])


def test_choices_must_be_reachable_together():
    """Code 0 is reachable in each slot, but no item has both."""
    space = random_space((2, 2), 2)
    space.item_codes[:] = [[0, 1], [1, 0]]
    table = torch.full((1, 9, 2, 2), math.log(0.1), dtype=torch.float64)
    table[0, 0, :, 0] = math.log(0.8)
    case = DecodingProblem("apart", space, TabularDenoiser(table, (2, 2)), "denoiser", catalogue=True)
    ranking = case.decode(NPerStep(n=2, prune="bs"), np.array([0]), beam=3)
    assert_row(ranking, 0, [((0, 1), math.log(0.08)), ((1, 0), math.log(0.08))])


@pytest.mark.parametrize("catalogue", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_ties_go_to_the_lower_slots_then_the_lower_codes(n, catalogue):
    sizes = (2, 3, 2)
    space = random_space(sizes, 9, seed=3)
    table = torch.full((1, 36, 3, 3), math.log(0.25), dtype=torch.float64)
    for slot, size in enumerate(sizes):
        table[:, :, slot, size:] = -math.inf
    case = DecodingProblem("ties", space, TabularDenoiser(table, sizes), "denoiser", catalogue=catalogue)
    for beam in (1, 2, 5, 10):
        expected = reference_results(case, 0, n, "bs", beam)
        assert_row(case.decode(NPerStep(n=n, prune="bs"), np.array([0]), beam=beam), 0, expected)


@pytest.mark.parametrize("catalogue", [False, True])
def test_equal_products_are_ordered_by_codes_and_not_by_ranks(catalogue):
    """Code 1 is likelier in both slots: 01 is rank 2 then rank 1, and 10 rank 1 then rank 2."""
    table = torch.tensor([0.2, 0.4], dtype=torch.float64).log().expand(1, 9, 2, 2)
    space = random_space((2, 2), 12)
    assert len(np.unique(space.item_codes, axis=0)) == 4
    case = DecodingProblem("ties", space, TabularDenoiser(table, (2, 2)), "denoiser", catalogue=catalogue)
    ranking = case.decode(NPerStep(n=2, prune="bs"), np.array([0]), beam=2)
    assert_row(ranking, 0, [((1, 1), math.log(0.16)), ((0, 1), math.log(0.08))])


@pytest.mark.parametrize(("n", "passes"), [(1, 4), (2, 2), (3, 2), (4, 1)])
def test_forward_passes(n, passes):
    sizes = (3, 3, 3, 3)
    context, meter = TabularContext(TabularDenoiser.random(sizes).table, sizes), Meter()
    canvas = make_canvas(random_space(sizes, 5), np.array([0]))
    NPerStep(n=n).decode(MeteredContext(context, meter), canvas, beam=3)
    assert meter.forward_passes == passes


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("n=1", marks=pytest.mark.slow),
        "n=2",
        pytest.param("n=3,prune=bs", marks=pytest.mark.slow),
        pytest.param("n=4,prune=dbs-dedup,normalise=slot", marks=pytest.mark.slow),
    ],
)
def test_conforms(spec):
    check_decoder(registry.make("decoder", f"n-per-step:{spec}")[1])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("n-per-step", r"needs the option 'n'; write n-per-step:n=\.\.\. \(allowed: 1, 2, 3, 4\)$"),
        ("n-per-step:n=0", "allowed: 1, 2, 3, 4"),
        ("n-per-step:n=5", "allowed: 1, 2, 3, 4"),
        ("n-per-step:n=2,prune=all", "allowed: bs, dbs-dedup, dbs-penalty"),
        ("n-per-step:n=2,propose=sample", "allowed: propose=top"),
        ("n-per-step:m=2", "no option 'm'"),
    ],
)
def test_options_are_closed(spec, message):
    with pytest.raises(UsageError, match=message):
        registry.make("decoder", spec)
