"""`check_decoder` reports every violation of the decoder contract; tests/decoders checks the registered decoders."""

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
    """A correct decoder whose ranking is then corrupted."""

    needs: ClassVar = "denoiser"
    fault: str

    def decode(self, context, canvas, *, beam):
        ranking = DbsDedup().decode(context, canvas, beam=beam)
        match self.fault:
            case "shape":
                return replace(ranking, codes=ranking.codes[:, :, 1:])
            case "dtype":
                return replace(ranking, scores=ranking.scores.float())
            case "unsorted":
                return replace(ranking, scores=ranking.scores.flip(1), codes=ranking.codes.flip(1))
            case "padding":
                return replace(ranking, codes=ranking.codes.clamp(min=0))
            case "outside":
                return replace(ranking, codes=ranking.codes + 5)
            case "given slot":
                # The next code of each slot; a slot of one code keeps it.
                sizes = torch.tensor(canvas.sizes)
                return replace(
                    ranking, codes=torch.where(ranking.codes < 0, ranking.codes, (ranking.codes + 1) % sizes)
                )
            case "no item":
                return DbsDedup().decode(context, replace(canvas, constraint=None), beam=beam)
            case "excluded":
                return DbsDedup().decode(context, replace(canvas, excluded=None), beam=beam)
            case "batch":
                return replace(ranking, scores=ranking.scores - len(canvas.users))
            case "order":
                return replace(ranking, scores=ranking.scores - torch.arange(len(canvas.users))[:, None])
            case "random":
                return replace(ranking, scores=ranking.scores - torch.rand(()).double())
        raise AssertionError(self.fault)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("shape", "codes have shape"),
        ("dtype", "not float64"),
        ("unsorted", "not in falling order|not finite for all results"),
        ("padding", "the padding contains codes|a result has a code that is missing"),
        ("outside", "outside its slot"),
        ("given slot", "a given slot was changed"),
        ("no item", "a result is not a catalogue item"),
        ("excluded", "an excluded item is a result"),
        ("batch", "alone differs from that in a batch"),
        ("order", "the ranking depends on the order of the users"),
        ("random", "a second call gives another ranking"),
    ],
)
def test_each_violation_is_reported(fault, message):
    with pytest.raises(AssertionError, match=message):
        check_decoder(Broken(fault))


@dataclass(frozen=True)
class WrongItems:
    """Ranks items by the right codes, but returns other items."""

    needs: ClassVar = "items"

    def decode(self, context, canvas, *, beam):
        ranking = RankItems().decode(context, canvas, beam=beam)
        return replace(ranking, items=ranking.items.clamp(max=0))


def test_items_must_match_their_codes():
    with pytest.raises(AssertionError, match="items and codes do not match"):
        check_decoder(WrongItems())
