"""The batched searches against the reference, on random tables, hand-made ties, and lifted catalogues."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.exclusion import seen_items
from mindrec_bench.testing import DecodingProblem, TabularDenoiser, catalogue_model, random_space
from mindrec_decoders.bs import BeamSearch
from mindrec_decoders.dbs_dedup import DbsDedup
from mindrec_decoders.dbs_penalty import DbsPenalty

from ..problems import assert_row, excluded_sids, log_probs_of, start_of
from ..reference import Beam, NearTieError, search

DECODERS = {
    "standard": BeamSearch,
    "sum": lambda **options: BeamSearch(repeats="sum", **options),
    "dedup": DbsDedup,
    "penalty": DbsPenalty,
    "dedup-sids": lambda **options: DbsPenalty(variant="released", **options),
}
RULES = pytest.mark.parametrize("rule", DECODERS)


def reference_results(case: DecodingProblem, user: int, **options) -> list[Beam]:
    excluded = excluded_sids(case, user)
    return search(
        log_probs_of(case, user), start_of(case, user), case.space.n_categories, user=user, excluded=excluded, **options
    )


@st.composite
def shapes(draw) -> tuple[int, tuple[int, ...]]:
    n_categories = draw(st.sampled_from([0, 2, 3]))
    n_sids = draw(st.integers(1, 4))
    largest = 3 if n_categories else 4
    n_slots = n_categories + n_sids
    sizes = draw(st.lists(st.integers(1, largest), min_size=n_slots, max_size=n_slots))
    return n_categories, tuple(sizes)


def with_given_categories(case: DecodingProblem, users: int) -> DecodingProblem:
    start = np.full((users, case.space.n_slots), MASK)
    start[:, : case.space.n_categories] = case.space.item_codes[:users, : case.space.n_categories]
    return DecodingProblem(case.name, case.space, case.model, case.capability, start)


@RULES
@given(
    shape=shapes(),
    seed=st.integers(0, 2**32 - 1),
    beam=st.sampled_from([1, 2, 3, 10]),
    impossible=st.sampled_from([0.0, 0.4]),
    normalise=st.sampled_from(["vocabulary", "slot"]),
    propose=st.sampled_from(["top", "top", "sample"]),
    given_start=st.booleans(),
    n_excluded=st.sampled_from([0, 0, 4]),
)
def test_random_tables(rule, shape, seed, beam, impossible, normalise, propose, given_start, n_excluded):
    n_categories, sizes = shape
    users = 3
    model = TabularDenoiser.random(sizes, users=users, seed=seed, impossible=impossible)
    case = DecodingProblem("tables", random_space(sizes, 5, n_categories=n_categories, seed=seed), model, "denoiser")
    if given_start:
        case = with_given_categories(case, users)
    if n_excluded:
        items = np.random.default_rng(seed).integers(-1, 5, size=(users, n_excluded))
        case = replace(case, excluded=seen_items(Histories(items, np.arange(users)), case.space.sid_index))
    options = {"normalise": normalise, "propose": propose}
    try:
        expected = [reference_results(case, user, beam=beam, rule=rule, seed=seed, **options) for user in range(users)]
    except NearTieError:
        assume(False)
    ranking = case.decode(DECODERS[rule](**options), np.arange(users), beam=beam, seed=seed)
    for user in range(users):
        assert_row(ranking, user, expected[user])


@RULES
@given(
    shape=shapes(),
    seed=st.integers(0, 2**32 - 1),
    beam=st.sampled_from([1, 3, 10, 40]),
    given_start=st.booleans(),
)
def test_lifted_catalogues(rule, shape, seed, beam, given_start):
    """Consistent conditionals: one sequence has the same score in every order, so ties between orders decide."""
    n_categories, sizes = shape
    probs = np.random.default_rng(seed).exponential(size=(2, 8)) ** 3
    space = random_space(sizes, 8, n_categories=n_categories, seed=seed)
    case = DecodingProblem("catalogue", space, catalogue_model(probs), "items")
    if given_start:
        case = with_given_categories(case, 2)
    try:
        expected = [reference_results(case, user, beam=beam, rule=rule) for user in range(2)]
    except NearTieError:
        assume(False)
    ranking = case.decode(DECODERS[rule](), np.arange(2), beam=beam)
    for user in range(2):
        assert_row(ranking, user, expected[user])


def uniform_case(sizes: tuple[int, ...], n_categories: int, users: int = 5) -> DecodingProblem:
    """All codes of a slot have probability 1/4 in every state."""
    model = TabularDenoiser.random(sizes, users=users)
    table = torch.where(model.table > -math.inf, math.log(0.25), -math.inf)
    return DecodingProblem(
        "ties", random_space(sizes, 4, n_categories=n_categories), TabularDenoiser(table, sizes), "denoiser"
    )


QUARTER, PENALTY, LOG_2 = math.log(0.25), math.log(1 - math.log(1.5)), math.log(2)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # Step 1 keeps 0-, 1- and -0. Their children 00, 01, 10, 11, 00, 10 tie: lower parent first, then lower code.
        ("standard", [((0, 0), 2 * QUARTER), ((0, 1), 2 * QUARTER), ((1, 0), 2 * QUARTER)]),
        # 00 from 0- and -0, 10 from 1- and -0: twice the probability of 01 and 11.
        ("sum", [((0, 0), QUARTER - LOG_2), ((1, 0), QUARTER - LOG_2), ((0, 1), 2 * QUARTER)]),
        ("dedup", [((0, 0), 2 * QUARTER), ((0, 1), 2 * QUARTER), ((1, 0), 2 * QUARTER)]),
        ("dedup-sids", [((0, 0), 2 * QUARTER), ((0, 1), 2 * QUARTER), ((1, 0), 2 * QUARTER)]),
        # 00 has no penalty; 01, 10 share a slot with it; 11 would have their penalty; 00, 10 from -0 a higher one.
        ("penalty", [((0, 0), 2 * QUARTER), ((0, 1), 2 * QUARTER + PENALTY), ((1, 0), 2 * QUARTER + PENALTY)]),
    ],
)
def test_ties_by_hand(rule, expected):
    ranking = uniform_case((2, 2), 0).decode(DECODERS[rule](), np.arange(5), beam=3)
    for row in range(5):
        assert_row(ranking, row, expected)


def test_repeats_by_hand():
    """0-, 1-, -0 and -1 all stay after step 1, and `standard` reaches each sequence twice: from 0- and 1- first."""
    ranking = uniform_case((2, 2), 0).decode(BeamSearch(), np.array([0]), beam=8)
    codes = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 0), (1, 0), (0, 1), (1, 1)]
    assert_row(ranking, 0, [(code, 2 * QUARTER) for code in codes])
    deduplicated = uniform_case((2, 2), 0).decode(DbsDedup(), np.array([0]), beam=8)
    assert_row(deduplicated, 0, [(code, 2 * QUARTER) for code in codes[:4]])


@RULES
@pytest.mark.parametrize("n_categories", [0, 2])
@pytest.mark.parametrize("beam", [1, 2, 3, 10])
def test_ties_against_the_reference(rule, n_categories, beam):
    case = uniform_case((2, 3, 2, 4), n_categories)
    expected = reference_results(case, 0, beam=beam, rule=rule)
    for users in (np.arange(5), np.array([4]), np.array([2, 0])):
        ranking = case.decode(DECODERS[rule](), users, beam=beam)
        for row in range(len(users)):
            assert_row(ranking, row, expected)


def test_released_keeps_a_sid_once_where_categories_differ():
    case = uniform_case((2, 2), 1)
    released = case.decode(DbsPenalty(variant="released"), np.array([0]), beam=4)
    assert_row(released, 0, [((0, 0), 2 * QUARTER), ((0, 1), 2 * QUARTER)])
    deduplicated = case.decode(DbsDedup(), np.array([0]), beam=4)
    assert_row(deduplicated, 0, [((c, s), 2 * QUARTER) for c in (0, 1) for s in (0, 1)])


def test_a_beam_as_wide_as_the_tree_finds_the_best_items():
    space = random_space((3, 3, 3), 9, seed=5)
    probs = np.random.default_rng(6).exponential(size=(1, 9))
    ranking = DecodingProblem("catalogue", space, catalogue_model(probs), "items").decode(
        DbsDedup(), np.array([0]), beam=30
    )
    prob_of: dict[tuple[int, ...], float] = {}
    for codes, p in zip(space.item_codes.tolist(), (probs / probs.sum())[0], strict=True):
        prob_of[tuple(codes)] = prob_of.get(tuple(codes), 0.0) + p
    expected = sorted(prob_of.items(), key=lambda entry: -entry[1])
    assert_row(ranking, 0, [(codes, math.log(p)) for codes, p in expected])


def test_users_with_different_slots_revealed_are_refused():
    case = uniform_case((2, 2), 1)
    start = np.array([[0, MASK], [MASK, MASK]])
    with pytest.raises(ValueError, match="same slots revealed"):
        DecodingProblem("mixed", case.space, case.model, "denoiser", start).decode(BeamSearch(), np.arange(2), beam=2)


def test_nothing_to_fill():
    case = uniform_case((2, 2), 1)
    start = np.array([[1, 0]])
    full = DecodingProblem("full", case.space, case.model, "denoiser", start)
    assert_row(full.decode(BeamSearch(), np.array([0]), beam=2), 0, [((1, 0), 0.0)])


@RULES
def test_no_host_device_copy_inside_a_step(rule):
    """Reading a value, or asking where something is true, would make the host wait for the device in every step."""
    waits: list[str] = []

    class RecordWaits(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func.overloadpacket in (
                torch.ops.aten._local_scalar_dense,
                torch.ops.aten.nonzero,
                torch.ops.aten.equal,
            ):
                waits.append(str(func))
            return func(*args, **(kwargs or {}))

    class Context:
        def log_probs(self, revealed, slots):
            nonlocal n_before_steps
            n_before_steps = n_before_steps or len(waits)
            return context.log_probs(revealed, slots)

    n_before_steps = 0
    case = uniform_case((2, 3, 2, 4), 2)
    context = case.model.begin(Histories(np.full((2, 1), -1), np.arange(2)), (0, 1, 2, 3))
    with RecordWaits():
        DECODERS[rule](propose="sample", normalise="slot").decode(Context(), case.canvas(np.arange(2)), beam=3)
    assert n_before_steps > 0, "reading canvas.start should be recorded"
    assert waits[n_before_steps:] == []


def test_nan_is_no_result():
    case = uniform_case((2, 2), 0)
    case.model.table[1] = math.nan
    ranking = case.decode(DbsPenalty(), np.arange(2), beam=3)
    assert ranking.lengths.tolist() == [3, 0]
