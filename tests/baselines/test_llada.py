"""`llada`: its network, its objective and its answers."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_baselines.code_lm.masked_diffusion import mask_targets
from mindrec_baselines.common.noise import uniform
from mindrec_baselines.llada import Llada, LladaModel
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import HISTORY, Dataset
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.plugins.options import build

SLOTS = (0, 1, 2, 3)


def task(data: Dataset, *, categories: bool = False, **changes: object) -> Task:
    given = Task(data, data.space(categories=categories), size="tiny", quiet=True)
    return dataclasses.replace(given, **changes)  # type: ignore[arg-type]


def untrained(given: Task) -> LladaModel:
    return LladaModel(Llada()._network(given).eval())


def masked(users: int, beams: int = 1, slots: int = 4) -> torch.Tensor:
    return torch.full((users, beams, slots), -1)


def test_a_slot_sees_slots_after_it(chain) -> None:
    context = untrained(task(chain())).begin(chain().test().histories, SLOTS)
    revealed = masked(60)
    before = context.log_probs(revealed, [0])
    revealed[:, :, 3] = 2
    assert (before != context.log_probs(revealed, [0])).any(dim=-1).all()


@pytest.mark.parametrize("attention", ["full", "prefix"])
def test_the_first_history_item_sees_the_canvas_or_not(chain, attention: str) -> None:
    network = Llada(attention=attention)._network(task(chain())).eval()
    states = []
    network.blocks.layers[0].register_forward_hook(lambda module, inputs, output: states.append(output))
    items = torch.from_numpy(chain().test().histories.items[:1])
    for code in (0, 1):
        canvas = network.embed_slots(torch.tensor([[code, -1, -1, -1]]), torch.arange(4))
        network.hidden(network.embed_items(items), items >= 0, canvas, torch.arange(4))
    assert (states[0][:, -4:] != states[1][:, -4:]).any(dim=-1).all()
    assert (states[0][:, :-4] != states[1][:, :-4]).any() == (attention == "full")


@pytest.mark.parametrize("attention", ["full", "prefix"])
def test_padding_never_changes_an_answer(chain, attention: str) -> None:
    network = Llada(attention=attention)._network(task(chain())).eval()
    histories = chain().test().histories
    items = torch.from_numpy(histories.items[(histories.items < 0).any(axis=1)])
    history, slots = network.embed_items(items), torch.arange(4)
    garbage = torch.where((items >= 0)[..., None], history, torch.randn_like(history) * 50)
    canvas = network.embed_slots(masked(len(items))[:, 0], slots)
    answers = [network.hidden(given, items >= 0, canvas, slots) for given in (history, garbage)]
    torch.testing.assert_close(*answers, rtol=0, atol=0)


def test_each_slot_has_its_own_mask(chain) -> None:
    network = untrained(task(chain())).network
    rows = network.embed_slots(masked(1)[0], torch.arange(4))[0]
    assert len(rows.unique(dim=0)) == 4
    revealed = network.embed_slots(torch.tensor([[0, 0, 0, 0]]), torch.arange(4))[0]
    assert not (rows == revealed).all(dim=-1).any()


def test_probabilities_are_over_the_vocabulary_of_all_slots(chain) -> None:
    given = task(chain())
    model = untrained(given)
    context = model.begin(chain().test().histories[:5], SLOTS)
    answers = context.log_probs(masked(5, 2), SLOTS)
    assert answers.shape == (5, 2, 4, max(given.space.sizes))
    assert answers.dtype == torch.float32
    items = torch.from_numpy(chain().test().histories.items[:5])
    canvas = model.network.embed_slots(masked(5)[:, 0], context.canvas)
    states = model.network.hidden(model.network.embed_items(items), items >= 0, canvas, context.canvas)
    whole = model.network.logits(states).log_softmax(dim=-1)
    for slot, (start, size) in enumerate(zip(given.space.offsets, given.space.sizes, strict=False)):
        expected = whole[:, slot, start : start + size]
        torch.testing.assert_close(answers[:, 0, slot, :size], expected)
        torch.testing.assert_close(answers[:, 1, slot, :size], expected)
        assert (answers[:, :, slot, size:] == -torch.inf).all()
        assert (answers[:, :, slot].exp().sum(-1) < 0.99).all(), "the rest of the mass is on other slots' codes"
        parts = [whole[:, slot, a:b].exp().sum(-1) for a, b in pairwise(given.space.offsets)]
        torch.testing.assert_close(sum(parts), torch.ones(5))


@pytest.mark.parametrize("p_mask", [0.3, 1.0])
def test_loss_equals_a_plain_computation(chain, p_mask: float) -> None:
    given = task(chain(), categories=True)
    backbone = Llada(p_mask=p_mask)
    network = untrained(given).network
    examples, keys = given.data.validation(), np.arange(60) + 7
    batch = backbone._collate(given, 0)(examples, keys)
    noise = uniform(given.seed, 0, keys, 1 + 6)
    total = 0.0
    network.requires_grad_(False)
    for row in range(60):
        t = p_mask + (1 - p_mask) * noise[row, 0]
        codes = torch.from_numpy(given.space.item_codes[examples.targets[row]])
        hidden = [slot for slot in range(6) if noise[row, 1 + slot] < t]
        revealed = torch.tensor([-1 if slot in hidden else int(codes[slot]) for slot in range(6)])
        items = torch.from_numpy(examples.histories.items[row : row + 1])
        slots = torch.arange(6)
        canvas = network.embed_slots(revealed[None], slots)
        states = network.hidden(network.embed_items(items), items >= 0, canvas, slots)[0]
        for slot in hidden:
            logits = network.logits(states[slot])
            place = given.space.offsets[slot] + codes[slot]
            total += -math.log(float(logits.softmax(-1)[place])) / t / 6
    assert float(network(**batch)["loss"]) == pytest.approx(total / 60, rel=1e-5)


def test_mask_probability_is_uniform_from_p_mask() -> None:
    codes = np.zeros((200_000, 1), dtype=np.int64)
    revealed, weights = mask_targets(codes, uniform(1, 0, np.arange(200_000), 2), 0.6)
    assert (revealed < 0).mean() == pytest.approx(0.8, abs=0.005)
    assert weights[revealed[:, 0] < 0].min() >= 1.0
    assert weights.max() <= 1 / 0.6 + 1e-6
    assert weights.mean() == pytest.approx(1.0, abs=0.005), "unbiased: E[masked / t] = 1"


def test_noise_depends_on_seed_stream_and_key_alone() -> None:
    whole = uniform(42, 0, np.arange(1000), 5)
    assert (uniform(42, 0, np.array([999, 3]), 5) == whole[[999, 3]]).all()
    assert (whole >= 0).all()
    assert (whole < 1).all()
    for other in (uniform(43, 0, np.arange(1000), 5), uniform(42, 1, np.arange(1000), 5)):
        assert abs(np.corrcoef(whole.ravel(), other.ravel())[0, 1]) < 0.05
    assert np.abs(np.corrcoef(whole.T) - np.eye(5)).max() < 0.12
    assert np.abs(whole.mean(axis=0) - 0.5).max() < 0.04


@pytest.fixture(scope="module")
def fitted(chain, tmp_path_factory) -> tuple[Task, Path]:
    given = task(chain(users=120), categories=True)
    folder = tmp_path_factory.mktemp("llada")
    Llada(epochs=10, batch=48, lr=5e-3).fit(given, folder)
    return given, folder


@pytest.mark.parametrize("slots", [tuple(range(6)), (2, 3, 4, 5)], ids=["generate", "history"])
def test_learns_the_next_item(fitted, slots: tuple[int, ...]) -> None:
    given, folder = fitted
    test = given.data.test()
    context = Llada().load(given, folder).begin(test.histories, slots)
    best = context.log_probs(masked(len(test), 1, len(slots)), range(len(slots)))[:, 0].argmax(-1)
    right = (best.numpy() == given.space.item_codes[test.targets][:, list(slots)]).all(axis=1)
    assert right.mean() > 0.8


def test_slots_keep_their_position_when_categories_are_left_out(fitted) -> None:
    given, folder = fitted
    model = Llada().load(given, folder)
    histories = given.data.test().histories[:3]
    answers = model.begin(histories, (2, 3, 4, 5)).log_probs(masked(3), [1])
    assert answers.shape == (3, 1, 1, max(given.space.sizes[2:]))
    assert torch.isfinite(answers[..., : given.space.sizes[3]]).all()

    seen = []
    network, items, slots = model.network, torch.from_numpy(histories.items), torch.tensor([2, 3, 4, 5])
    network.blocks.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["position_ids"][0].tolist()), with_kwargs=True
    )
    with torch.no_grad():
        states = network.hidden(
            network.embed_items(items), items >= 0, network.embed_slots(masked(3)[:, 0], slots), slots
        )
        whole = network.logits(states[:, 1]).log_softmax(-1)
    longest = (histories.items >= 0).sum(axis=1).max()
    assert seen == [[*range(HISTORY - longest, HISTORY), HISTORY + 2, HISTORY + 3, HISTORY + 4, HISTORY + 5]]
    first, last = given.space.offsets[3:5]
    torch.testing.assert_close(answers[:, 0, 0, : last - first], whole[:, first:last])


def test_asked_columns_come_in_the_order_asked(fitted) -> None:
    given, folder = fitted
    context = Llada().load(given, folder).begin(given.data.test().histories[:4], (2, 3, 4, 5))
    whole = context.log_probs(masked(4, 3), SLOTS)
    torch.testing.assert_close(context.log_probs(masked(4, 3), [3, 0]), whole[:, :, [3, 0]])


def test_load_refuses_other_slots_sizes_and_damage(fitted, chain, tmp_path: Path) -> None:
    given, folder = fitted
    with pytest.raises(
        DataError, match=r"fitted for slots of 2\+3\+4\+3\+2\+5 codes, size 'tiny' and not of 4\+3\+2\+5"
    ):
        Llada().load(task(chain()), folder)
    with pytest.raises(DataError, match="size 'small'"):
        Llada().load(dataclasses.replace(given, size="small"), folder)
    with pytest.raises(DataError, match=r"model\.json is missing or damaged"):
        Llada().load(given, tmp_path)
    for name in ("model.json", "weights.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    whole = (folder / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"weights\.safetensors are missing, damaged or of another shape"):
        Llada().load(given, tmp_path)


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
    with pytest.raises(UsageError, match="refresh is for attention=full; histories of attention=prefix are read once"):
        build(Llada, "llada", {"attention": "prefix", "refresh": "2"})


@pytest.mark.parametrize("options", [{"attention": "prefix"}, {"refresh": 2}])
def test_published_sizes_read_prompts_at_every_step(options: dict) -> None:
    with pytest.raises(UsageError, match="size '8b'; attention and refresh are for tiny and small"):
        Llada(**options).file_fingerprints("8b")
    assert Llada(**options).file_fingerprints("small") == {}
