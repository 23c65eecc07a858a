"""Approximate inference of `llada`: which steps compute histories, and what the steps between use."""

from __future__ import annotations

import pytest
import torch

from mindrec_baselines.code_lm.llama_blocks import LlamaBlocks
from mindrec_baselines.code_lm.refreshing_inference import find_ancestors
from mindrec_baselines.llada import Llada, LladaModel
from mindrec_bench.core.backbone import Task
from mindrec_bench.testing import make_canvas
from mindrec_decoders.dbs_dedup import DbsDedup

SLOTS = (0, 1, 2, 3)


@pytest.fixture
def chain_task(chain) -> Task:
    data = chain()
    return Task(data, data.space(categories=False), size="tiny", quiet=True)


@pytest.fixture
def network(chain_task):
    network = Llada().new_network(chain_task).eval()
    for parameter in network.blocks.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return network.requires_grad_(False)


STEPS = [(0, [0, 1, 2, 3]), (1, [0, 1, 2, 3]), (2, [0, 2]), (3, [0, 3]), (9, [0])]
"""refresh -> the steps of a search that compute histories, by the number of slots revealed before."""


@pytest.mark.parametrize(("refresh", "steps"), STEPS)
def test_histories_are_computed_at_every_rth_step(
    chain_task, network, monkeypatch, refresh: int, steps: list[int]
) -> None:
    computed: list[int] = []
    attend_full, masks = LlamaBlocks.attend_full, network.embed_slots(torch.full((1, 4), -1), torch.arange(4))[0]

    def recording(blocks, history, history_qkv, history_rows, canvas, *args):
        computed.append(int((canvas[0] != masks).any(dim=-1).sum()))
        return attend_full(blocks, history, history_qkv, history_rows, canvas, *args)

    monkeypatch.setattr(LlamaBlocks, "attend_full", recording)
    histories = chain_task.data.test().histories
    histories = histories[(histories.items >= 0).all(axis=1)]
    context = LladaModel(network, refresh).begin(histories, SLOTS)
    DbsDedup().decode(context, make_canvas(chain_task.space, histories.users), beam=5)
    assert computed == steps


def test_a_stale_step_differs_a_little_and_a_fresh_one_not_at_all(chain_task, network) -> None:
    histories = chain_task.data.test().histories[:8]
    exact, stale = (LladaModel(network, refresh).begin(histories, SLOTS) for refresh in (0, 2))
    steps = [torch.full((8, 1, 4), -1)]
    steps += [steps[0].repeat(1, 2, 1), steps[0].repeat(1, 2, 1)]
    steps[1][:, :, 1] = torch.tensor([0, 1])
    steps[2][:, :, 1], steps[2][:, :, 0] = torch.tensor([1, 1]), torch.tensor([0, 1])
    gaps = []
    for revealed in steps:
        exact_and_stale = [context.log_probs(revealed, (2, 3))[..., :2].exp() for context in (exact, stale)]
        gaps.append(float((exact_and_stale[0] - exact_and_stale[1]).abs().max()))
    assert gaps[0] == 0
    assert 1e-5 < gaps[1] < 0.5
    assert gaps[2] == 0


def test_calls_out_of_order_are_exact(chain_task, network) -> None:
    histories = chain_task.data.test().histories[:8]
    exact, stale = (LladaModel(network, refresh).begin(histories, SLOTS) for refresh in (0, 3))
    revealed = torch.zeros(8, 1, 4, dtype=torch.long)
    revealed[:, :, 2:] = -1
    stale.log_probs(revealed, (2, 3))
    revealed[:, :, 0] = -1  # not a later step: less is revealed
    assert torch.equal(stale.log_probs(revealed, (2, 3)), exact.log_probs(revealed, (2, 3)))


def test_find_ancestors() -> None:
    old = torch.tensor([[0, -1, -1], [-1, 2, -1], [-1, -1, -1]])
    now = torch.tensor([[0, 2, -1], [1, -1, 3], [1, 2, -1]])
    is_ancestor = find_ancestors(torch.tensor([5, 5, 6]), old, torch.tensor([5, 5, 6]), now)
    assert is_ancestor.tolist() == [[True, True, False], [False, False, False], [False, False, True]]
