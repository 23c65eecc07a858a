"""`MaskedInference` against the network as it is trained: whole sequences, with padding."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from mindrec_baselines.code_lm.llama_blocks import LlamaBlocks
from mindrec_baselines.code_lm.masked_inference import HistoryBatch, MaskedInference, encode_histories
from mindrec_baselines.code_lm.masked_lm import MaskedCodeLM
from mindrec_baselines.llada import Llada, LladaModel
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Histories

USERS, BEAMS = 30, 4
both_attentions = pytest.mark.parametrize("attention", ["full", "prefix"])


@pytest.fixture
def chain_task(chain) -> Task:
    data = chain()
    return Task(data, data.space(categories=True), size="tiny", quiet=True)


@pytest.fixture
def histories(chain_task) -> Histories:
    """Of all lengths, including an empty one."""
    test = chain_task.data.test().histories[:USERS]
    items = test.items.copy()
    items[0] = -1
    return Histories(items, test.users)


def untrained(chain_task: Task, attention: str) -> MaskedCodeLM:
    """A network whose predictions differ between histories."""
    network = Llada(attention=attention).new_network(chain_task).eval()
    for parameter in network.blocks.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return network.requires_grad_(False)


def canvases(chain_task: Task, slots: tuple[int, ...]) -> Tensor:
    """Random canvases with different numbers of revealed slots; the last two beams of a user are equal."""
    rng = np.random.default_rng(3)
    sizes = [chain_task.space.sizes[slot] for slot in slots]
    codes = rng.integers(0, sizes, size=(USERS, BEAMS, len(slots)))
    codes[rng.random(codes.shape) < 0.6] = -1
    codes[:, -1] = codes[:, -2]
    return torch.from_numpy(codes)


def whole_sequences(network: MaskedCodeLM, histories: Histories, revealed: Tensor, slots: tuple[int, ...]) -> Tensor:
    """Log-probabilities of the whole vocabulary. Shape: (B, K, T, vocabulary)"""
    items, canvas = torch.from_numpy(histories.items).repeat_interleave(BEAMS, dim=0), torch.tensor(slots)
    embedded = network.embed_slots(revealed.flatten(0, 1), canvas)
    states = network.slot_states(network.embed_items(items), items >= 0, embedded, canvas)
    return network.logits(states).log_softmax(-1).unflatten(0, (-1, BEAMS))


@both_attentions
@pytest.mark.parametrize(
    ("slots", "columns"), [((0, 1, 2, 3, 4, 5), (2, 3, 4, 5)), ((2, 3, 4, 5), (3, 0)), ((2, 3, 4, 5), (1,))]
)
def test_log_probs_are_those_of_the_trained_network(chain_task, histories, attention: str, slots, columns) -> None:
    network = untrained(chain_task, attention)
    revealed = canvases(chain_task, slots)
    log_probs = LladaModel(network).begin(histories, slots).log_probs(revealed, columns)
    whole = whole_sequences(network, histories, revealed, slots)
    assert log_probs.shape == (USERS, BEAMS, len(columns), max(chain_task.space.sizes[slot] for slot in slots))
    for index, column in enumerate(columns):
        size = chain_task.space.sizes[slots[column]]
        start = chain_task.space.offsets[slots[column]]
        masked = revealed[:, :, column] < 0
        assert masked.any()
        expected = whole[:, :, column, start : start + size]
        torch.testing.assert_close(log_probs[:, :, index, :size][masked], expected[masked], atol=1e-6, rtol=1e-6)
        assert (log_probs[:, :, index, size:] == -torch.inf).all()
    assert whole[:, :, columns[0]].std(dim=0).mean() > 0.01


@both_attentions
def test_grouping_users_changes_nothing(chain_task, histories, attention: str) -> None:
    """As on a GPU: all users at once, padded to the longest history."""
    network = untrained(chain_task, attention)
    blocks = LlamaBlocks.from_model(network.blocks)
    slots = (0, 1, 2, 3, 4, 5)
    context = MaskedInference.begin(network, blocks, histories, slots)
    assert len(context.batches) > 3
    items = torch.from_numpy(histories.items)
    history, position_ids = network.embed_items(items), torch.arange(10)
    keys_values = blocks.encode_history(history, position_ids, items >= 0) if attention == "prefix" else None
    qkv = blocks.project(0, history, position_ids)
    together = dataclasses.replace(
        context, batches=[HistoryBatch(torch.arange(USERS), items >= 0, history, qkv, keys_values)]
    )
    revealed = canvases(chain_task, slots)
    grouped, ungrouped = (each.log_probs(revealed, slots) for each in (context, together))
    masked = (revealed < 0)[..., None].expand_as(grouped)
    torch.testing.assert_close(grouped[masked], ungrouped[masked], atol=1e-5, rtol=1e-5)


def test_equal_beams_are_computed_once(chain_task, histories, monkeypatch) -> None:
    model = LladaModel(untrained(chain_task, "full"))
    context = model.begin(histories, (2, 3, 4, 5))
    revealed = canvases(chain_task, (2, 3, 4, 5))
    counts: list[int] = []
    embed = MaskedCodeLM.embed_slots

    def recording(network, codes, slots):
        counts.append(len(codes))
        return embed(network, codes, slots)

    monkeypatch.setattr(MaskedCodeLM, "embed_slots", recording)
    log_probs = context.log_probs(revealed, (0, 1, 2, 3))
    distinct = {(user, *codes) for user in range(USERS) for codes in map(tuple, revealed[user].tolist())}
    assert sum(counts) == len(distinct) < USERS * BEAMS
    assert torch.equal(log_probs[:, -1], log_probs[:, -2])


def test_users_of_a_group_have_histories_of_the_same_length(chain_task, histories) -> None:
    network = untrained(chain_task, "full")
    batches = encode_histories(network, LlamaBlocks.from_model(network.blocks), histories)
    lengths = (histories.items >= 0).sum(axis=1)
    assert sorted(torch.cat([batch.users for batch in batches]).tolist()) == list(range(USERS))
    for batch in batches:
        assert set(lengths[batch.users.numpy()]) == {batch.embedded.shape[1]}
        assert batch.attention_mask is None


@both_attentions
@pytest.mark.parametrize("length", [7, 14])
def test_the_length_of_histories_does_not_matter(chain_task, attention: str, length: int) -> None:
    """What is left of the items is padding; positions count from there, and only their differences matter."""
    slots = tuple(range(chain_task.space.n_slots))
    items = np.full((USERS, length), -1)
    items[:, -6:] = chain_task.data.test().histories.items[:USERS, -6:]
    ten = np.full((USERS, 10), -1)
    ten[:, -6:] = items[:, -6:]
    model = LladaModel(untrained(chain_task, attention))
    revealed, users = canvases(chain_task, slots), np.arange(USERS)
    first, second = (model.begin(Histories(array, users), slots).log_probs(revealed, slots) for array in (ten, items))
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
