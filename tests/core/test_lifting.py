"""Lifted models against brute force over a small catalogue, and the other adapters."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from mindrec_bench.core.code_space import MASK, CodeSpace
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.lifting import adapt
from mindrec_bench.testing import TabularDenoiser, catalogue_model, random_space

SIZES = (2, 3, 4)
USERS = 3


@pytest.fixture(scope="module")
def space() -> CodeSpace:
    space = random_space(SIZES, 12, n_categories=1, seed=1)
    assert len(np.unique(space.item_codes, axis=0)) < 12, "the catalogue should hold items that share all codes"
    return space


@pytest.fixture(scope="module")
def probs() -> np.ndarray:
    probs = np.random.default_rng(2).exponential(size=(USERS, 12))
    probs[1, ::2] = 0
    return probs


def empty_histories(users: int) -> Histories:
    return Histories(np.full((users, 2), -1), np.arange(users))


def brute_force(space: CodeSpace, probs: np.ndarray, state: tuple[int, ...], slot: int) -> list[float]:
    sums = [0.0] * max(SIZES)
    for codes, p in zip(space.item_codes.tolist(), probs, strict=True):
        if all(s in (MASK, c) for s, c in zip(state, codes, strict=True)):
            sums[codes[slot]] += p
    return [math.log(value / sum(sums)) if value > 0 else -math.inf for value in sums]


def assert_close(log_probs: torch.Tensor, expected: list) -> None:
    expected_tensor = torch.tensor(expected, dtype=torch.float64)
    assert log_probs.dtype == torch.float64
    assert torch.equal(log_probs.isinf(), expected_tensor.isinf())
    assert torch.allclose(log_probs, expected_tensor, rtol=0, atol=1e-12)


def test_lifted_denoiser_on_every_state(space, probs):
    context = adapt(catalogue_model(probs), "items", "denoiser", space).begin(empty_histories(USERS), (0, 1, 2))
    states = list(itertools.product(*(range(MASK, size) for size in SIZES)))
    for slots in [(0, 1, 2), (1,), (2, 0)]:
        log_probs = context.log_probs(torch.tensor(states).expand(USERS, -1, -1), slots)
        expected = [[[brute_force(space, p, state, slot) for slot in slots] for state in states] for p in probs]
        assert_close(log_probs, expected)


def test_lifted_denoiser_when_slots_are_left_out(space, probs):
    context = adapt(catalogue_model(probs), "items", "denoiser", space).begin(empty_histories(USERS), (1, 2))
    log_probs = context.log_probs(torch.tensor([[[MASK, 1]]]).expand(USERS, 1, 2), (0,))
    expected = [[[brute_force(space, p, (MASK, MASK, 1), 1)[:4]]] for p in probs]
    assert_close(log_probs, expected)


def test_lifted_causal(space, probs):
    context = adapt(catalogue_model(probs), "items", "causal", space).begin(empty_histories(USERS), (0, 1, 2))
    for prefix in [(), (1,), (0, 2)]:
        rows = torch.tensor(prefix, dtype=torch.int64).expand(USERS, 1, len(prefix))
        state = (*prefix, *[MASK] * (3 - len(prefix)))
        expected = [[brute_force(space, p, state, len(prefix))] for p in probs]
        assert_close(context.next_log_probs(rows), expected)


def test_causal_from_a_denoiser_asks_for_the_next_slot(space):
    model = TabularDenoiser.random(SIZES, users=2, seed=4)
    context = adapt(model, "denoiser", "causal", space).begin(empty_histories(2), (0, 1, 2))
    prefix = torch.tensor([[[1], [0]], [[0], [0]]])
    direct = model.begin(empty_histories(2), (0, 1, 2)).log_probs(
        torch.nn.functional.pad(prefix, (0, 2), value=MASK), (1,)
    )
    assert torch.equal(context.next_log_probs(prefix), direct[:, :, 0])


def test_the_batch_changes_no_bit():
    space = random_space((4, 20, 20), 3000, seed=5)
    model = adapt(catalogue_model(np.random.default_rng(6).exponential(size=(40, 3000))), "items", "denoiser", space)
    states = torch.tensor([[MASK] * 3, [1, MASK, MASK], [MASK, 3, MASK], [2, MASK, 5]]).expand(40, -1, -1)
    whole = model.begin(empty_histories(40), (0, 1, 2)).log_probs(states, (0, 1, 2))
    for user in (0, 17, 39):
        alone = model.begin(empty_histories(40)[[user]], (0, 1, 2)).log_probs(states[:1], (0, 1, 2))
        assert torch.equal(whole[[user]], alone)


def test_far_apart_probabilities_do_not_vanish(space):
    """exp(-2000) is 0 in float64; relative to the likeliest item it is not."""
    model = catalogue_model(np.ones((1, 12)))
    model.table[:] = -2000 - torch.arange(12.0)
    context = adapt(model, "items", "denoiser", space).begin(empty_histories(1), (0, 1, 2))
    expected = brute_force(space, np.exp(-np.arange(12.0)), (MASK, MASK, MASK), 1)
    assert_close(context.log_probs(torch.full((1, 1, 3), MASK), (1,)), [[[expected]]])


def test_a_model_without_any_probability(space):
    model = catalogue_model(np.ones((1, 12)))
    model.table[:] = -math.inf
    context = adapt(model, "items", "denoiser", space).begin(empty_histories(1), (0, 1, 2))
    assert (context.log_probs(torch.full((1, 1, 3), MASK), (0, 1, 2)) == -math.inf).all()


def test_an_adapter_is_added_only_where_it_is_needed(space, probs):
    model = catalogue_model(probs)
    assert adapt(model, "items", "items", space) is model
    assert adapt(model, "denoiser", "denoiser", space) is model
    assert adapt(model, "causal", "causal", space) is model
