"""Models with known log-probabilities, and random catalogues."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mindrec_bench.core.dataset import Histories
from mindrec_bench.testing import TabularDenoiser, catalogue_model, random_space


def test_random_tables_are_seeded_and_sum_to_less_than_one():
    first, same, other = (
        TabularDenoiser.random((2, 3), users=2, seed=seed, impossible=0.2).table for seed in (1, 1, 2)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert first.shape == (2, 12, 2, 3)
    total = first.exp().sum(dim=-1)
    assert ((total >= 0) & (total < 1)).all()
    assert (first[:, :, 0, 2] == -torch.inf).all()
    assert 0.1 < (first[:, :, 1] == -torch.inf).double().mean() < 0.3


def test_the_table_is_indexed_by_user_and_state():
    model = TabularDenoiser.random((2, 3), users=3, seed=1)
    context = model.begin(Histories(np.full((2, 1), -1), np.array([2, 0])), (0, 1))
    log_probs = context.log_probs(torch.tensor([[[-1, -1], [1, -1]], [[0, 2], [-1, 0]]]), (1,))
    states = [[0, 2 * 4], [1 * 4 + 3, 1]]
    for row, user in enumerate((2, 0)):
        for beam in range(2):
            assert torch.equal(log_probs[row, beam, 0], model.table[user, states[row][beam], 1])


def test_catalogue_model_normalises_the_probabilities():
    context = catalogue_model(np.array([[1.0, 3.0], [5.0, 0.0]])).begin(
        Histories(np.array([[-1]]), np.array([1])), (0,)
    )
    assert context.log_probs().exp().tolist() == [[1.0, 0.0]]


def test_random_space_uses_every_code():
    space = random_space((2, 7, 4), 9, seed=1)
    assert [len(np.unique(column)) for column in space.item_codes.T] == [2, 7, 4]
    with pytest.raises(ValueError, match="5 items can't use all 7 codes"):
        random_space((2, 7, 4), 5)
