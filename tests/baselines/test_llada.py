"""`llada`: network, objective, and a fitted model."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_baselines.common.noise import uniform
from mindrec_baselines.llada import Llada, LladaModel
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.choices import HISTORY
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.plugins.options import build

from .causal import task

SLOTS = (0, 1, 2, 3)


def untrained(chain_task: Task) -> LladaModel:
    return LladaModel(Llada().new_network(chain_task).eval())


def masked(users: int, beams: int = 1, slots: int = 4) -> torch.Tensor:
    return torch.full((users, beams, slots), -1)


def test_a_slot_attends_to_later_slots(chain) -> None:
    context = untrained(task(chain())).begin(chain().test().histories, SLOTS)
    revealed = masked(60)
    before = context.log_probs(revealed, [0])
    revealed[:, :, 3] = 2
    assert (before != context.log_probs(revealed, [0])).any(dim=-1).all()


@pytest.mark.parametrize("attention", ["full", "prefix"])
def test_history_items_attend_to_the_canvas_with_full_attention_only(chain, attention: str) -> None:
    network = Llada(attention=attention).new_network(task(chain())).eval()
    states = []
    network.blocks.layers[0].register_forward_hook(lambda module, inputs, output: states.append(output))
    items = torch.from_numpy(chain().test().histories.items[:1])
    for code in (0, 1):
        canvas = network.embed_slots(torch.tensor([[code, -1, -1, -1]]), torch.arange(4))
        network.slot_states(network.embed_items(items), items >= 0, canvas, torch.arange(4))
    assert (states[0][:, -4:] != states[1][:, -4:]).any(dim=-1).all()
    assert (states[0][:, :-4] != states[1][:, :-4]).any() == (attention == "full")


@pytest.mark.parametrize("attention", ["full", "prefix"])
def test_padding_changes_no_state(chain, attention: str) -> None:
    network = Llada(attention=attention).new_network(task(chain())).eval()
    histories = chain().test().histories
    items = torch.from_numpy(histories.items[(histories.items < 0).any(axis=1)])
    history, slots = network.embed_items(items), torch.arange(4)
    garbage = torch.where((items >= 0)[..., None], history, torch.randn_like(history) * 50)
    canvas = network.embed_slots(masked(len(items))[:, 0], slots)
    states = [network.slot_states(embedded, items >= 0, canvas, slots) for embedded in (history, garbage)]
    torch.testing.assert_close(*states, rtol=0, atol=0)


def test_each_slot_has_its_own_mask(chain) -> None:
    network = untrained(task(chain())).network
    rows = network.embed_slots(masked(1)[0], torch.arange(4))[0]
    assert len(rows.unique(dim=0)) == 4
    revealed = network.embed_slots(torch.tensor([[0, 0, 0, 0]]), torch.arange(4))[0]
    assert not (rows == revealed).all(dim=-1).any()


def test_probabilities_are_over_the_vocabulary_of_all_slots(chain) -> None:
    chain_task = task(chain())
    model = untrained(chain_task)
    context = model.begin(chain().test().histories[:5], SLOTS)
    log_probs = context.log_probs(masked(5, 2), SLOTS)
    assert log_probs.shape == (5, 2, 4, max(chain_task.space.sizes))
    assert log_probs.dtype == torch.float32
    items = torch.from_numpy(chain().test().histories.items[:5])
    canvas = model.network.embed_slots(masked(5)[:, 0], context.slots)
    states = model.network.slot_states(model.network.embed_items(items), items >= 0, canvas, context.slots)
    whole = model.network.logits(states).log_softmax(dim=-1)
    for slot, (start, size) in enumerate(zip(chain_task.space.offsets, chain_task.space.sizes, strict=False)):
        expected = whole[:, slot, start : start + size]
        torch.testing.assert_close(log_probs[:, 0, slot, :size], expected)
        torch.testing.assert_close(log_probs[:, 1, slot, :size], expected)
        assert (log_probs[:, :, slot, size:] == -torch.inf).all()
        assert (log_probs[:, :, slot].exp().sum(-1) < 0.99).all(), "the rest of the mass is on other slots' codes"
        slot_masses = [whole[:, slot, a:b].exp().sum(-1) for a, b in pairwise(chain_task.space.offsets)]
        torch.testing.assert_close(sum(slot_masses), torch.ones(5))


@pytest.mark.parametrize("p_mask", [0.3, 1.0])
def test_loss_equals_a_plain_computation(chain, p_mask: float) -> None:
    chain_task = task(chain(), categories=True)
    backbone = Llada(p_mask=p_mask)
    network = untrained(chain_task).network
    examples, keys = chain_task.data.validation(), np.arange(60) + 7
    batch = backbone.collator(chain_task, 0)(examples, keys)
    noise = uniform(chain_task.seed, 0, keys, 1 + 6)
    total = 0.0
    network.requires_grad_(False)
    for row in range(60):
        t = p_mask + (1 - p_mask) * noise[row, 0]
        codes = torch.from_numpy(chain_task.space.item_codes[examples.targets[row]])
        masked_slots = [slot for slot in range(6) if noise[row, 1 + slot] < t]
        revealed = torch.tensor([-1 if slot in masked_slots else int(codes[slot]) for slot in range(6)])
        items = torch.from_numpy(examples.histories.items[row : row + 1])
        slots = torch.arange(6)
        canvas = network.embed_slots(revealed[None], slots)
        states = network.slot_states(network.embed_items(items), items >= 0, canvas, slots)[0]
        for slot in masked_slots:
            logits = network.logits(states[slot])
            token_id = chain_task.space.offsets[slot] + codes[slot]
            total += -math.log(float(logits.softmax(-1)[token_id])) / t / 6
    assert float(network(**batch)["loss"]) == pytest.approx(total / 60, rel=1e-5)


@pytest.fixture(scope="module")
def fitted(chain, tmp_path_factory) -> tuple[Task, Path]:
    chain_task = task(chain(users=120), categories=True)
    folder = tmp_path_factory.mktemp("llada")
    Llada(epochs=5, batch=48, lr=1e-2).fit(chain_task, folder)
    return chain_task, folder


@pytest.mark.parametrize("slots", [tuple(range(6)), (2, 3, 4, 5)], ids=["generate", "history"])
def test_learns_the_next_item(fitted, slots: tuple[int, ...]) -> None:
    chain_task, folder = fitted
    test = chain_task.data.test()
    context = Llada().load(chain_task, folder).begin(test.histories, slots)
    best = context.log_probs(masked(len(test), 1, len(slots)), range(len(slots)))[:, 0].argmax(-1)
    correct = (best.numpy() == chain_task.space.item_codes[test.targets][:, list(slots)]).all(axis=1)
    assert correct.mean() > 0.8


def test_slots_keep_their_position_when_categories_are_left_out(fitted) -> None:
    chain_task, folder = fitted
    model = Llada().load(chain_task, folder)
    histories = chain_task.data.test().histories[:3]
    log_probs = model.begin(histories, (2, 3, 4, 5)).log_probs(masked(3), [1])
    assert log_probs.shape == (3, 1, 1, max(chain_task.space.sizes[2:]))
    assert torch.isfinite(log_probs[..., : chain_task.space.sizes[3]]).all()

    position_ids = []
    network, items, slots = model.network, torch.from_numpy(histories.items), torch.tensor([2, 3, 4, 5])
    network.blocks.register_forward_pre_hook(
        lambda module, args, kwargs: position_ids.append(kwargs["position_ids"][0].tolist()), with_kwargs=True
    )
    with torch.no_grad():
        states = network.slot_states(
            network.embed_items(items), items >= 0, network.embed_slots(masked(3)[:, 0], slots), slots
        )
        whole = network.logits(states[:, 1]).log_softmax(-1)
    longest = (histories.items >= 0).sum(axis=1).max()
    assert position_ids == [[*range(HISTORY - longest, HISTORY), HISTORY + 2, HISTORY + 3, HISTORY + 4, HISTORY + 5]]
    first, last = chain_task.space.offsets[3:5]
    torch.testing.assert_close(log_probs[:, 0, 0, : last - first], whole[:, first:last])


def test_columns_come_in_the_requested_order(fitted) -> None:
    chain_task, folder = fitted
    context = Llada().load(chain_task, folder).begin(chain_task.data.test().histories[:4], (2, 3, 4, 5))
    whole = context.log_probs(masked(4, 3), SLOTS)
    torch.testing.assert_close(context.log_probs(masked(4, 3), [3, 0]), whole[:, :, [3, 0]])


def test_load_refuses_other_slots_sizes_and_damage(fitted, chain, tmp_path: Path) -> None:
    chain_task, folder = fitted
    with pytest.raises(
        DataError, match=r"fitted for slots of 2\+3\+4\+3\+2\+5 codes, size 'tiny' and not of 4\+3\+2\+5"
    ):
        Llada().load(task(chain()), folder)
    with pytest.raises(DataError, match="size 'small'"):
        Llada().load(dataclasses.replace(chain_task, size="small"), folder)
    with pytest.raises(DataError, match=r"model\.json is missing or damaged"):
        Llada().load(chain_task, tmp_path)
    for name in ("model.json", "weights.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    whole = (folder / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"weights\.safetensors are missing, damaged or of another shape"):
        Llada().load(chain_task, tmp_path)


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("p_mask", "0", "above 0, at most 1"),
        ("p_mask", "1.1", "above 0, at most 1"),
        ("refresh", "-1", "a number of steps, or 0 for none"),
        ("lr", "0", "above 0"),
        ("epochs", "0", "1 or more"),
        ("batch", "-1", "1 or more"),
        ("patience", "0", "1 or more"),
        ("dropout", "1", "at least 0, below 1"),
        ("weight_decay", "-0.1", "0 or more"),
    ],
)
def test_options_out_of_range_are_refused(option: str, value: str, allowed: str) -> None:
    with pytest.raises(UsageError, match=f"{option} is .*; it must be {allowed}"):
        build(Llada, "llada", {option: value})


def test_refresh_is_for_full_attention() -> None:
    with pytest.raises(
        UsageError, match="refresh is for attention=full; with attention=prefix histories are computed once"
    ):
        build(Llada, "llada", {"attention": "prefix", "refresh": "2"})


def test_refresh_and_attention_reach_every_size() -> None:
    assert Llada(refresh=2).file_fingerprints("small") == {}
    assert Llada(refresh=2).trainer("8b").refresh == 2  # type: ignore[attr-defined]
    assert Llada(attention="prefix").trainer("8b").attention == "prefix"  # type: ignore[attr-defined]
