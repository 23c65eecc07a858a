"""Answers of `llada` against its network as it is trained: whole sequences, one by one, padding and all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from mindrec_baselines.code_lm.llama_blocks import LlamaBlocks
from mindrec_baselines.code_lm.masked_inference import HistoryBatch, MaskedInference, read
from mindrec_baselines.code_lm.masked_lm import MaskedCodeLM
from mindrec_baselines.llada import Llada, LladaModel
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Histories

USERS, BEAMS = 30, 4
attentions = pytest.mark.parametrize("attention", ["full", "prefix"])


@pytest.fixture
def given(chain) -> Task:
    data = chain()
    return Task(data, data.space(categories=True), size="tiny", quiet=True)


@pytest.fixture
def histories(given) -> Histories:
    """Of all lengths, none at all too."""
    found = given.data.test().histories[:USERS]
    items = found.items.copy()
    items[0] = -1
    return Histories(items, found.users)


def untrained(given: Task, attention: str) -> MaskedCodeLM:
    """A network whose answers differ between histories."""
    network = Llada(attention=attention)._network(given).eval()
    for parameter in network.blocks.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return network.requires_grad_(False)


def states(given: Task, slots: tuple[int, ...]) -> Tensor:
    """Random canvases, as many slots revealed in some as in none; the last two beams of a user are equal."""
    rng = np.random.default_rng(3)
    sizes = [given.space.sizes[slot] for slot in slots]
    codes = rng.integers(0, sizes, size=(USERS, BEAMS, len(slots)))
    codes[rng.random(codes.shape) < 0.6] = -1
    codes[:, -1] = codes[:, -2]
    return torch.from_numpy(codes)


def plain(network: MaskedCodeLM, histories: Histories, revealed: Tensor, slots: tuple[int, ...]) -> Tensor:
    """Log-probabilities of the whole vocabulary. Shape: (B, K, T, vocabulary)"""
    items, canvas = torch.from_numpy(histories.items).repeat_interleave(BEAMS, dim=0), torch.tensor(slots)
    embedded = network.embed_slots(revealed.flatten(0, 1), canvas)
    found = network.hidden(network.embed_items(items), items >= 0, embedded, canvas)
    return network.logits(found).log_softmax(-1).unflatten(0, (-1, BEAMS))


@attentions
@pytest.mark.parametrize(
    ("slots", "asked"), [((0, 1, 2, 3, 4, 5), (2, 3, 4, 5)), ((2, 3, 4, 5), (3, 0)), ((2, 3, 4, 5), (1,))]
)
def test_answers_are_those_of_the_trained_network(given, histories, attention: str, slots, asked) -> None:
    network = untrained(given, attention)
    revealed = states(given, slots)
    answers = LladaModel(network).begin(histories, slots).log_probs(revealed, asked)
    whole = plain(network, histories, revealed, slots)
    assert answers.shape == (USERS, BEAMS, len(asked), max(given.space.sizes[slot] for slot in slots))
    for place, column in enumerate(asked):
        size = given.space.sizes[slots[column]]
        start = given.space.offsets[slots[column]]
        masked = revealed[:, :, column] < 0
        assert masked.any()
        wanted = whole[:, :, column, start : start + size]
        torch.testing.assert_close(answers[:, :, place, :size][masked], wanted[masked], atol=1e-6, rtol=1e-6)
        assert (answers[:, :, place, size:] == -torch.inf).all()
    assert whole[:, :, asked[0]].std(dim=0).mean() > 0.01


@attentions
def test_groups_change_nothing(given, histories, attention: str) -> None:
    """As on a GPU: all users at once, padded to the longest history."""
    network = untrained(given, attention)
    blocks = LlamaBlocks.of(network.blocks)
    slots = (0, 1, 2, 3, 4, 5)
    answers = MaskedInference.begin(network, blocks, histories, slots)
    assert len(answers.readers) > 3
    items = torch.from_numpy(histories.items)
    history, numbers = network.embed_items(items), torch.arange(10)
    alone = blocks.read(history, numbers, items >= 0) if attention == "prefix" else None
    first = blocks.project(0, history, numbers)
    together = dataclasses.replace(
        answers, readers=[HistoryBatch(torch.arange(USERS), items >= 0, history, first, alone)]
    )
    revealed = states(given, slots)
    one, other = (context.log_probs(revealed, slots) for context in (answers, together))
    masked = (revealed < 0)[..., None].expand_as(one)
    torch.testing.assert_close(one[masked], other[masked], atol=1e-5, rtol=1e-5)


def test_equal_beams_are_read_once(given, histories, monkeypatch) -> None:
    model = LladaModel(untrained(given, "full"))
    context = model.begin(histories, (2, 3, 4, 5))
    revealed = states(given, (2, 3, 4, 5))
    seen: list[int] = []
    embed = MaskedCodeLM.embed_slots

    def watched(network, codes, slots):
        seen.append(len(codes))
        return embed(network, codes, slots)

    monkeypatch.setattr(MaskedCodeLM, "embed_slots", watched)
    answers = context.log_probs(revealed, (0, 1, 2, 3))
    distinct = {(user, *codes) for user in range(USERS) for codes in map(tuple, revealed[user].tolist())}
    assert sum(seen) == len(distinct) < USERS * BEAMS
    assert torch.equal(answers[:, -1], answers[:, -2])


def test_users_of_a_group_have_histories_of_one_length(given, histories) -> None:
    network = untrained(given, "full")
    readers = read(network, LlamaBlocks.of(network.blocks), histories)
    lengths = (histories.items >= 0).sum(axis=1)
    assert sorted(torch.cat([group.rows for group in readers]).tolist()) == list(range(USERS))
    for group in readers:
        assert set(lengths[group.rows.numpy()]) == {group.history.shape[1]}
        assert group.seen is None
