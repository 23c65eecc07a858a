"""Random problems for decoders, a case's model as the references read it, and the comparison with a ranking."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import strategies as st

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.exclusion import seen_items
from mindrec_bench.core.lifting import adapt
from mindrec_bench.core.protocols import Ranking
from mindrec_bench.testing import DecodingProblem, TabularDenoiser, catalogue_model, random_space

from .reference import Beam, Codes, LogProbs


def log_probs_of(case: DecodingProblem, user: int) -> LogProbs:
    """The case's model, queried for one state and one slot at a time."""
    model = adapt(case.model, case.capability, "denoiser", case.space)
    context = model.begin(Histories(np.array([[-1]]), np.array([user])), tuple(range(case.space.n_slots)))

    def log_probs(codes: Codes, slot: int) -> list[float]:
        return context.log_probs(torch.tensor([[codes]]), (slot,))[0, 0, 0].tolist()[: case.space.sizes[slot]]

    return log_probs


def start_of(case: DecodingProblem, user: int) -> Codes:
    """The codes that a user's search starts from."""
    return (MASK,) * case.space.n_slots if case.start is None else tuple(case.start[user].tolist())


def excluded_sids(case: DecodingProblem, user: int) -> set[Codes]:
    """The SIDs that are never results."""
    items = [] if case.excluded is None else case.excluded[user].tolist()
    return {tuple(case.space.item_sids[item].tolist()) for item in items if item >= 0}


def allowed_items(case: DecodingProblem, user: int) -> list[Codes]:
    """The codes of the items that may be results."""
    excluded = set() if case.excluded is None else set(case.excluded[user].tolist())
    return [tuple(codes) for item, codes in enumerate(case.space.item_codes.tolist()) if item not in excluded]


def assert_row(ranking: Ranking, row: int, expected: list[Beam]) -> None:
    """A ranking's row has the expected results, and padding after them."""
    assert ranking.lengths[row] == len(expected)
    n_results = len(expected)
    assert [tuple(codes) for codes in ranking.codes[row, :n_results].tolist()] == [codes for codes, _ in expected]
    assert ranking.scores[row, :n_results].tolist() == pytest.approx([score for _, score in expected], abs=1e-6)
    assert (ranking.codes[row, n_results:] == MASK).all()
    assert (ranking.scores[row, n_results:] == -math.inf).all()


@st.composite
def cases(draw: st.DrawFn, users: int = 2) -> DecodingProblem:
    """Random tables or a lifted catalogue, with or without categories, given or not, constrained or not, with or
    without a history that is excluded."""
    n_categories = draw(st.sampled_from([0, 0, 2]))
    n_sids = draw(st.integers(1, 4))
    largest = 3 if n_categories else 4
    n_slots = n_categories + n_sids
    sizes = tuple(draw(st.lists(st.integers(1, largest), min_size=n_slots, max_size=n_slots)))
    seed = draw(st.integers(0, 2**32 - 1))
    space = random_space(sizes, 7, n_categories=n_categories, seed=seed)
    start = None
    if draw(st.booleans()):
        start = np.full((users, space.n_slots), MASK)
        start[:, :n_categories] = space.item_codes[:users, :n_categories]
    catalogue, excluded = draw(st.booleans()), None
    if draw(st.booleans()):
        items = np.random.default_rng(seed).integers(-1, 7, size=(users, 5))
        excluded = seen_items(Histories(items, np.arange(users)), space.sid_index)
    if draw(st.sampled_from([True, True, False])):
        impossible = draw(st.sampled_from([0.0, 0.3]))
        model = TabularDenoiser.random(sizes, users=users, seed=seed, impossible=impossible)
        return DecodingProblem("tables", space, model, "denoiser", start, catalogue, excluded)
    probs = np.random.default_rng(seed).exponential(size=(users, 7)) ** 2
    return DecodingProblem("catalogue", space, catalogue_model(probs), "items", start, catalogue, excluded)
