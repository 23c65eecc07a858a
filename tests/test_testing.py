"""The test kit: its models are what they say, and its checks find each kind of broken decoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from mindrec_bench.contracts import Histories
from mindrec_bench.testing import TabularDenoiser, catalogue_model, check_decoder, random_space
from mindrec_decoders.dbs_dedup import DbsDedup
from mindrec_decoders.rank_items import RankItems


def test_random_tables_are_seeded_and_sum_to_less_than_one():
    one, same, other = (TabularDenoiser.random((2, 3), users=2, seed=seed, impossible=0.2).table for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.shape == (2, 12, 2, 3)
    total = one.exp().sum(dim=-1)
    assert ((total >= 0) & (total < 1)).all()
    assert (one[:, :, 0, 2] == -torch.inf).all()
    assert 0.1 < (one[:, :, 1] == -torch.inf).double().mean() < 0.3


def test_a_table_is_read_by_user_and_state():
    model = TabularDenoiser.random((2, 3), users=3, seed=1)
    context = model.begin(Histories(np.full((2, 1), -1), np.array([2, 0])), (0, 1))
    got = context.log_probs(torch.tensor([[[-1, -1], [1, -1]], [[0, 2], [-1, 0]]]), (1,))
    states = [[0, 2 * 4], [1 * 4 + 3, 1]]
    for row, user in enumerate((2, 0)):
        for beam in range(2):
            assert torch.equal(got[row, beam, 0], model.table[user, states[row][beam], 1])


def test_catalogue_model_normalises():
    context = catalogue_model(np.array([[1.0, 3.0], [5.0, 0.0]])).begin(
        Histories(np.array([[-1]]), np.array([1])), (0,)
    )
    assert context.log_probs().exp().tolist() == [[1.0, 0.0]]


def test_random_space_uses_every_code():
    space = random_space((2, 7, 4), 9, seed=1)
    assert [len(np.unique(column)) for column in space.item_codes.T] == [2, 7, 4]
    with pytest.raises(ValueError, match="5 items can't use all 7 codes"):
        random_space((2, 7, 4), 5)


@dataclass(frozen=True)
class Broken:
    """A right decoder whose ranking is then spoiled."""

    needs: ClassVar = "denoiser"
    fault: str

    def decode(self, context, canvas, *, beam):
        right = DbsDedup().decode(context, canvas, beam=beam)
        match self.fault:
            case "short":
                return replace(right, codes=right.codes[:, :, 1:])
            case "float":
                return replace(right, scores=right.scores.float())
            case "unsorted":
                return replace(right, scores=right.scores.flip(1), codes=right.codes.flip(1))
            case "padding":
                return replace(right, codes=right.codes.clamp(min=0))
            case "outside":
                return replace(right, codes=right.codes + 5)
            case "given":
                # The first code on, except where a slot has only that one.
                sizes = torch.tensor(canvas.sizes)
                return replace(right, codes=torch.where(right.codes < 0, right.codes, (right.codes + 1) % sizes))
            case "no item":
                return DbsDedup().decode(context, replace(canvas, constraint=None), beam=beam)
            case "batch":
                return replace(right, scores=right.scores - len(canvas.users))
            case "order":
                return replace(right, scores=right.scores - torch.arange(len(canvas.users))[:, None])
            case "random":
                return replace(right, scores=right.scores - torch.rand(()).double())
        raise AssertionError(self.fault)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("short", "codes have shape"),
        ("float", "not float64"),
        ("unsorted", "do not fall|finite just where"),
        ("padding", "padding|every result"),
        ("outside", "within their slots"),
        ("given", "a given slot was changed"),
        ("no item", "a result is no catalogue item"),
        ("batch", "alone differs from a batch"),
        ("order", "the order of the users matters"),
        ("random", "a second call differs"),
    ],
)
def test_each_fault_is_found(fault, message):
    with pytest.raises(AssertionError, match=message):
        check_decoder(Broken(fault))


@dataclass(frozen=True)
class WrongItems:
    """Ranks items, and names others."""

    needs: ClassVar = "items"

    def decode(self, context, canvas, *, beam):
        right = RankItems().decode(context, canvas, beam=beam)
        return replace(right, items=right.items.clamp(max=0))


def test_items_must_have_their_codes():
    with pytest.raises(AssertionError, match="items and codes do not belong together"):
        check_decoder(WrongItems())
