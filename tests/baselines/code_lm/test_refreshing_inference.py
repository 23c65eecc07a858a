"""Approximate answers of `llada`: which steps read histories, and what the steps between see."""

from __future__ import annotations

import pytest
import torch

from mindrec_baselines.code_lm.llama_blocks import LlamaBlocks
from mindrec_baselines.code_lm.refreshing_inference import ancestors
from mindrec_baselines.llada import Llada, LladaModel
from mindrec_bench.core.backbone import Task
from mindrec_bench.testing import make_canvas
from mindrec_decoders.dbs_dedup import DbsDedup

SLOTS = (0, 1, 2, 3)


@pytest.fixture
def given(chain) -> Task:
    data = chain()
    return Task(data, data.space(categories=False), size="tiny", quiet=True)


@pytest.fixture
def network(given):
    network = Llada()._network(given).eval()
    for parameter in network.blocks.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return network.requires_grad_(False)


EVERY = [(0, [0, 1, 2, 3]), (1, [0, 1, 2, 3]), (2, [0, 2]), (3, [0, 3]), (9, [0])]
"""refresh -> the steps of a search that read histories, by the number of slots revealed before."""


@pytest.mark.parametrize(("refresh", "steps"), EVERY)
def test_histories_are_read_at_every_rth_step(given, network, monkeypatch, refresh: int, steps: list[int]) -> None:
    read: list[int] = []
    full, masks = LlamaBlocks.full, network.embed_slots(torch.full((1, 4), -1), torch.arange(4))[0]

    def watched(blocks, history, first, owner, canvas, *rest):
        read.append(int((canvas[0] != masks).any(dim=-1).sum()))
        return full(blocks, history, first, owner, canvas, *rest)

    monkeypatch.setattr(LlamaBlocks, "full", watched)
    histories = given.data.test().histories
    histories = histories[(histories.items >= 0).all(axis=1)]
    context = LladaModel(network, refresh).begin(histories, SLOTS)
    DbsDedup().decode(context, make_canvas(given.space, histories.users), beam=5)
    assert read == steps


def test_a_stale_step_differs_a_little_and_a_fresh_one_not_at_all(given, network) -> None:
    histories = given.data.test().histories[:8]
    exact, stale = (LladaModel(network, refresh).begin(histories, SLOTS) for refresh in (0, 2))
    steps = [torch.full((8, 1, 4), -1)]
    steps += [steps[0].repeat(1, 2, 1), steps[0].repeat(1, 2, 1)]
    steps[1][:, :, 1] = torch.tensor([0, 1])
    steps[2][:, :, 1], steps[2][:, :, 0] = torch.tensor([1, 1]), torch.tensor([0, 1])
    gaps = []
    for revealed in steps:
        both = [context.log_probs(revealed, (2, 3))[..., :2].exp() for context in (exact, stale)]
        gaps.append(float((both[0] - both[1]).abs().max()))
    assert gaps[0] == 0
    assert 1e-5 < gaps[1] < 0.5
    assert gaps[2] == 0


def test_questions_out_of_order_are_answered_exactly(given, network) -> None:
    histories = given.data.test().histories[:8]
    exact, stale = (LladaModel(network, refresh).begin(histories, SLOTS) for refresh in (0, 3))
    revealed = torch.zeros(8, 1, 4, dtype=torch.long)
    revealed[:, :, 2:] = -1
    stale.log_probs(revealed, (2, 3))
    revealed[:, :, 0] = -1  # not a later step: less is revealed
    assert torch.equal(stale.log_probs(revealed, (2, 3)), exact.log_probs(revealed, (2, 3)))


def test_ancestors() -> None:
    old = torch.tensor([[0, -1, -1], [-1, 2, -1], [-1, -1, -1]])
    now = torch.tensor([[0, 2, -1], [1, -1, 3], [1, 2, -1]])
    found = ancestors(torch.tensor([5, 5, 6]), old, torch.tensor([5, 5, 6]), now)
    assert found.tolist() == [[True, True, False], [False, False, False], [False, False, True]]
