"""Sampled proposals: their distribution, their seed, and their noise against the reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mindrec_bench.core.random_bits import hash_bits
from mindrec_bench.testing import make_canvas, random_space
from mindrec_decoders.search.sampling import gumbel_noise, perturb

from .. import reference


def canvas(users: int, seed: int = 42):
    return make_canvas(random_space((4, 4), 5), np.arange(users), seed=seed)


def test_the_noise_equals_the_reference():
    noise = gumbel_noise(hash_bits(42, torch.tensor([0, 7, 2**40]), 3, torch.tensor([[1], [9]])))
    expected = [[reference.gumbel_noise(42, user, 3, beam) for user in (0, 7, 2**40)] for beam in (1, 9)]
    assert noise.tolist() == [pytest.approx(row, abs=1e-12) for row in expected]


def test_extreme_bits_give_finite_noise():
    assert gumbel_noise(torch.tensor([0, -1, 2**63 - 1, -(2**63)])).isfinite().all()


def test_proposals_follow_the_model():
    """The first of a sample has the model's probabilities over the union of the top 2 of each slot."""
    users = 20_000
    probs = torch.tensor([[0.4, 0.3, 0.2, 0.1], [0.1, 0.1, 0.2, 0.6]], dtype=torch.float64)
    log_probs = probs.log().expand(users, 1, 2, 4)
    perturbed = perturb(log_probs, torch.tensor([0, 1]), canvas(users), step=0, beam=2)
    counts = perturbed.flatten(1).argmax(dim=1).bincount(minlength=8) / users
    expected = np.array([0.4, 0.3, 0, 0, 0, 0, 0.2, 0.6]) / 1.5
    assert counts.tolist() == pytest.approx(expected.tolist(), abs=0.012)
    assert (perturbed.flatten(1)[:, [2, 3, 4, 5]] == -math.inf).all()


def test_seed_step_beam_and_user_all_change_the_noise():
    log_probs = torch.zeros(2, 2, 1, 4, dtype=torch.float64)
    draws = [
        perturb(log_probs, torch.tensor([0]), canvas(2, seed), step=step, beam=4) for seed in (1, 2) for step in (0, 1)
    ]
    values = torch.stack(draws).flatten()
    assert len(values.unique()) == len(values) == 64
