"""Decoding in batches: the canvas of the decoder, the cost that is counted, and the rows of the result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from mindrec_bench.core.code_space import MASK, CodeSpace
from mindrec_bench.core.dataset import Examples, Histories
from mindrec_bench.core.protocols import Ranking
from mindrec_bench.errors import MrbenchError
from mindrec_bench.experiment.batch_decoder import BatchDecoder, Meter, MeteredContext

CATEGORIES = np.array([[3, 1], [3, 2], [5, 1]])
SIDS = np.array([[10, 0], [10, 7], [20, 7]])
SPACE = CodeSpace.build(SIDS, CATEGORIES)
USERS = np.array([4, 8, 15, 16, 23])
EXAMPLES = Examples(Histories(np.full((5, 3), -1), USERS), np.array([0, 1, 2, 0, 1]))


class UniformModel:
    """A model that is its own context; records the batches."""

    def __init__(self):
        self.batches = []

    def begin(self, histories, slots):
        self.batches.append((histories.users.tolist(), slots))
        return self

    def log_probs(self, *arguments):
        return torch.zeros(1)


@dataclass(frozen=True)
class RecordingDecoder:
    """Ranks item (user id mod 3), and nothing for user 15; calls the context twice; keeps its canvases."""

    canvases: list
    with_items: bool = False
    needs = "denoiser"

    def decode(self, context, canvas, *, beam):
        self.canvases.append(canvas)
        context.log_probs(canvas.start, (0,))
        context.log_probs(canvas.start, (0,))
        n = len(canvas.users)
        lengths = (canvas.users != 15).long()
        items = torch.full((n, beam), -1)
        items[:, 0] = torch.where(lengths > 0, canvas.users % 3, -1)
        codes = torch.where(items[:, :, None] >= 0, canvas.items[items], MASK)
        scores = torch.full((n, beam), -torch.inf, dtype=torch.float64)
        scores[:, 0] = torch.where(lengths > 0, -canvas.users.double(), -torch.inf)
        return Ranking(codes, scores, lengths, items if self.with_items else None)


@dataclass(frozen=True)
class WrongDecoder:
    """Returns a right ranking of three results, changed."""

    change: object
    needs = "denoiser"

    def decode(self, context, canvas, *, beam):
        n = len(canvas.users)
        codes = canvas.items[torch.arange(3)].expand(n, 3, -1).clone()
        scores = torch.tensor([[-1.0, -1.0, -2.0]], dtype=torch.float64).repeat(n, 1)
        return self.change(Ranking(codes, scores, torch.full((n,), 3)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: Ranking(r.codes[:, :2], r.scores, r.lengths), "codes, scores and lengths of shapes"),
        (lambda r: Ranking(r.codes, r.scores[:1], r.lengths), "codes, scores and lengths of shapes"),
        (lambda r: Ranking(r.codes, r.scores * torch.nan, r.lengths), "scores that are not finite"),
        (lambda r: Ranking(r.codes, -r.scores, r.lengths), "scores that rise with the rank"),
        (lambda r: Ranking(r.codes, r.scores, r.lengths + 1), "lengths from 4 to 4, not from 0 to 3"),
        (lambda r: Ranking(r.codes + 9, r.scores, r.lengths), "codes beyond the size of their slots"),
    ],
)
def test_a_wrong_ranking_is_not_stored(change, message):
    decoder = make(decoder=WrongDecoder(change), beam=3)
    with pytest.raises(MrbenchError, match=rf"the decoder WrongDecoder returned {message}.*check_decoder"):
        list(decoder.decode_batches(EXAMPLES, Meter()))


def make(categories="generate", **changes):
    space = changes.pop("space", SPACE)
    decoder = BatchDecoder(
        model=UniformModel(),
        capability="denoiser",
        decoder=RecordingDecoder([]),
        space=space,
        categories=categories,
        item_ids=["7", "70", "700"],
        beam=2,
        seed=9,
        device="cpu",
        batch_size=2,
    )
    return replace(decoder, **changes)


def decode(decoder):
    meter = Meter()
    return list(decoder.decode_batches(EXAMPLES, meter)), meter


def test_batches_and_their_cost():
    decoder = make()
    batches, meter = decode(decoder)
    assert [count for _, count in batches] == [2, 2, 1]
    assert [users for users, _ in decoder.model.batches] == [[4, 8], [15, 16], [23]]
    assert meter.forward_passes == 6
    assert len(meter.batch_seconds) == 3
    assert min(meter.batch_seconds) > 0


def test_rows_hold_numbers_as_in_the_files():
    rows = [row for table, _ in decode(make())[0] for row in table.to_pylist()]
    assert [row["user"] for row in rows] == [4, 8, 16, 23], "a user without results has no rows"
    assert [row["codes"] for row in rows] == [[3, 2, 10, 7], [5, 1, 20, 7], [3, 2, 10, 7], [5, 1, 20, 7]]
    assert [row["score"] for row in rows] == [-4, -8, -16, -23]
    assert {row["rank"] for row in rows} == {1}
    assert {row["item"] for row in rows} == {None}


def test_items_have_the_ids_of_the_files():
    tables = [table for table, _ in decode(make(decoder=RecordingDecoder([], with_items=True)))[0]]
    assert [item for table in tables for item in table["item"].to_pylist()] == ["70", "700", "70", "700"]


@pytest.mark.parametrize(
    ("categories", "slots", "n_categories", "start"),
    [
        ("generate", (0, 1, 2, 3), 2, [[MASK] * 4, [MASK] * 4]),
        ("history", (2, 3), 0, [[MASK] * 2, [MASK] * 2]),
        ("given", (0, 1, 2, 3), 2, [[0, 0, MASK, MASK], [0, 1, MASK, MASK]]),
    ],
)
def test_canvas(categories, slots, n_categories, start):
    decoder = make(categories)
    decode(decoder)
    canvas = decoder.decoder.canvases[0]
    assert decoder.model.batches[0] == ([4, 8], slots)
    assert canvas.start.tolist() == start
    assert canvas.n_categories == n_categories
    assert canvas.sizes == tuple(SPACE.sizes[slot] for slot in slots)
    assert canvas.items.tolist() == SPACE.item_codes[:, list(slots)].tolist()
    assert canvas.users.tolist() == [4, 8]
    assert canvas.seed == 9


def test_canvas_without_categories():
    space = CodeSpace.build(SIDS)
    decoder = make("none", space=space)
    decode(decoder)
    canvas = decoder.decoder.canvases[0]
    assert (canvas.n_categories, canvas.sizes, decoder.slots) == (0, space.sizes, (0, 1))
    assert (canvas.start == MASK).all()


def test_decoding_runs_in_inference_mode():
    class CheckingDecoder(RecordingDecoder):
        def decode(self, context, canvas, *, beam):
            assert torch.is_inference_mode_enabled()
            return super().decode(context, canvas, beam=beam)

    decode(make(decoder=CheckingDecoder([])))


def test_every_call_is_counted():
    class Context:
        def next_log_probs(self, prefix):
            return prefix + 1

        def log_probs(self, revealed=None, slots=()):
            return torch.zeros(4, 90) if revealed is None else revealed - 1

    meter = Meter()
    context = MeteredContext(Context(), meter)
    assert torch.equal(context.next_log_probs(torch.zeros(4, 3, 2)), torch.ones(4, 3, 2))
    assert (meter.forward_passes, meter.states) == (1, 4 * 3), "one state of each beam"
    assert torch.equal(context.log_probs(torch.zeros(4, 5, 7), (1, 2)), -torch.ones(4, 5, 7))
    assert (meter.forward_passes, meter.states) == (2, 4 * 3 + 4 * 5)
    assert context.log_probs().shape == (4, 90)
    assert (meter.forward_passes, meter.states) == (3, 4 * 3 + 4 * 5 + 4), "all items of each user at once"
