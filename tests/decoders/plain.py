"""A search in stages, slow and plain: lists and floats, one user. What every stage proposes is for the test to say."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.lifting import adapt
from mindrec_bench.core.protocols import Ranking
from mindrec_bench.testing import Case, TabularDenoiser, catalogue_model, random_space

from .reference import Beam, Codes, LogProbs, Rule, in_order, prune

Proposals = Callable[[Codes, float], list[Beam]]
"""From a beam's codes and score to all its candidates, by slots, then codes."""

RULES: dict[str, Rule] = {"bs": "standard", "dbs-dedup": "distinct", "dbs-penalty": "penalised"}

MANY = settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def staged(stages: Sequence[tuple[Proposals, Rule]], start: Codes, n_categories: int, *, beam: int) -> list[Beam]:
    """The results, best first; every beam proposes its `beam` best."""
    beams: list[Beam] = [(start, 0.0)]
    for propose, rule in stages:
        candidates: list[Beam] = []
        for codes, score in beams:
            all_of_beam = propose(codes, score)
            candidates += [all_of_beam[i] for i in sorted(in_order([score for _, score in all_of_beam])[:beam])]
        beams = prune(candidates, beam, rule, n_categories)
    return beams


def joint(log_probs: LogProbs, slots: Sequence[int], n: int) -> Proposals:
    """All ways to fill n of `slots`."""

    def propose(codes: Codes, score: float) -> list[Beam]:
        found = []
        for chosen in itertools.combinations([slot for slot in slots if codes[slot] == MASK], n):
            values = [log_probs(codes, slot) for slot in chosen]
            for choice in itertools.product(*(range(len(row)) for row in values)):
                child = list(codes)
                for slot, code in zip(chosen, choice, strict=True):
                    child[slot] = code
                found.append((tuple(child), score + sum(row[c] for row, c in zip(values, choice, strict=True))))
        return found

    return propose


def constrained(propose: Proposals, items: list[Codes]) -> Proposals:
    """Only the candidates that some item fits."""
    return lambda codes, score: [(child, value) for child, value in propose(codes, score) if reachable(child, items)]


def reachable(codes: Codes, items: list[Codes]) -> bool:
    return any(all(c in (MASK, i) for c, i in zip(codes, item, strict=True)) for item in items)


def stages_of(
    case: Case, user: int, sid_stages: Callable[[LogProbs, tuple[int, ...]], list[Proposals]], rule: Rule
) -> tuple[list[tuple[Proposals, Rule]], Codes]:
    """Categories from left to right, then the stages of the masked SID slots; and where to start."""
    log_probs = answers(case, user)
    start = (MASK,) * case.space.n_slots if case.start is None else tuple(case.start[user].tolist())
    masked = [slot for slot, code in enumerate(start) if code == MASK]
    first = case.space.n_categories
    stages = [(joint(log_probs, [slot], 1), "standard") for slot in masked if slot < first]
    stages += [(stage, rule) for stage in sid_stages(log_probs, tuple(slot for slot in masked if slot >= first))]
    if case.catalogue:
        items = [tuple(codes) for codes in case.space.item_codes.tolist()]
        stages = [(constrained(propose, items), of) for propose, of in stages]
    return stages, start


def answers(case: Case, user: int) -> LogProbs:
    """The case's model, each answer asked for alone."""
    model = adapt(case.model, case.capability, "denoiser", case.space)
    context = model.begin(Histories(np.array([[-1]]), np.array([user])), tuple(range(case.space.n_slots)))

    def log_probs(codes: Codes, slot: int) -> list[float]:
        return context.log_probs(torch.tensor([[codes]]), (slot,))[0, 0, 0].tolist()[: case.space.sizes[slot]]

    return log_probs


def compare(ranking: Ranking, row: int, wanted: list[Beam]) -> None:
    """A ranking's row against the reference's results."""
    assert ranking.lengths[row] == len(wanted)
    assert [tuple(codes) for codes in ranking.codes[row, : len(wanted)].tolist()] == [codes for codes, _ in wanted]
    assert ranking.scores[row, : len(wanted)].tolist() == pytest.approx([score for _, score in wanted], abs=1e-6)
    assert (ranking.scores[row, len(wanted) :] == -math.inf).all()


@st.composite
def cases(draw: st.DrawFn, users: int = 2) -> Case:
    """Random tables or a lifted catalogue, with or without categories, given or not, constrained or not."""
    n_categories = draw(st.sampled_from([0, 0, 2]))
    n_sids = draw(st.integers(1, 4))
    top = 3 if n_categories else 4
    sizes = tuple(draw(st.lists(st.integers(1, top), min_size=n_categories + n_sids, max_size=n_categories + n_sids)))
    seed = draw(st.integers(0, 2**32 - 1))
    space = random_space(sizes, 7, n_categories=n_categories, seed=seed)
    start = None
    if draw(st.booleans()):
        start = np.full((users, space.n_slots), MASK)
        start[:, :n_categories] = space.item_codes[:users, :n_categories]
    catalogue = draw(st.booleans())
    if draw(st.sampled_from([True, True, False])):
        impossible = draw(st.sampled_from([0.0, 0.3]))
        model = TabularDenoiser.random(sizes, users=users, seed=seed, impossible=impossible)
        return Case("tables", space, model, "denoiser", start, catalogue)
    probs = np.random.default_rng(seed).exponential(size=(users, 7)) ** 2
    return Case("catalogue", space, catalogue_model(probs), "items", start, catalogue)
