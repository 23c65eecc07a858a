"""`check_decoder` finds each kind of broken decoder; the registered ones pass it in tests/decoders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from mindrec_bench.testing import check_decoder
from mindrec_decoders.dbs_dedup import DbsDedup
from mindrec_decoders.rank_items import RankItems


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
