"""The contract of causal backbones that are trained from scratch, and the options that they share with `llada`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from mindrec_baselines.llada import Llada
from mindrec_baselines.llama3 import Llama3
from mindrec_baselines.tiger import Tiger
from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.plugins.options import as_dict, build

from ..causal import BACKBONES, ar_beam, prefixes, task, untrained

CANVASES = [(0, 1, 2, 3, 4, 5), (2, 3, 4, 5)]
"""With all slots (`generate`, `given`), and without the category slots (`history`)."""

each_backbone = pytest.mark.parametrize("backbone", BACKBONES)


@each_backbone
@pytest.mark.parametrize("slots", CANVASES)
def test_log_probs_have_the_shape_of_their_slot(chain, backbone: Any, slots: tuple[int, ...]) -> None:
    chain_task = task(chain(), categories=True)
    context = untrained(backbone, chain_task).begin(chain_task.data.test().histories[:7], slots)
    sizes = [chain_task.space.sizes[slot] for slot in slots]
    for length, size in enumerate(sizes):
        log_probs = context.next_log_probs(prefixes(chain_task.space, 7, 3, length, slots[0]))
        assert (log_probs.shape, log_probs.dtype) == ((7, 3, max(sizes)), torch.float32)
        assert log_probs[..., :size].isfinite().all()
        assert (log_probs[..., size:] == -torch.inf).all()


@each_backbone
def test_probabilities_are_over_the_whole_vocabulary(chain, backbone: Any, monkeypatch) -> None:
    chain_task = task(chain())
    network = untrained(backbone, chain_task)
    computed: list[torch.Tensor] = []
    logits = network.logits
    monkeypatch.setattr(network, "logits", lambda states: computed.append(logits(states)) or computed[-1])
    context = network.begin(chain_task.data.test().histories, (0, 1, 2, 3))
    for slot in range(4):
        log_probs = context.next_log_probs(prefixes(chain_task.space, 60, 2, slot))
        whole = computed[-1].softmax(dim=-1)
        first, last = chain_task.space.offsets[slot : slot + 2]
        torch.testing.assert_close(log_probs[..., : last - first].exp(), whole[..., first:last])
        assert (log_probs.exp().sum(-1) < 0.999).all()
        assert (whole.shape[-1] - chain_task.space.offsets[-1]) in (0, 1)  # T5 has one token that is not a code


@each_backbone
def test_beams_and_users_are_independent(chain, backbone: Any) -> None:
    chain_task = task(chain(), categories=True)
    network, histories = untrained(backbone, chain_task), chain_task.data.test().histories
    prefix = prefixes(chain_task.space, 60, 4, 3)
    whole = network.begin(histories, CANVASES[0]).next_log_probs(prefix)
    for users, beams in ((slice(None), [2]), (slice(None), [3, 0]), (slice(20, 33), [0, 1, 2, 3]), ([5], [1])):
        part = network.begin(histories[users], CANVASES[0]).next_log_probs(prefix[users][:, beams])
        torch.testing.assert_close(part, whole[users][:, beams], atol=1e-5, rtol=0)


@each_backbone
def test_a_context_can_be_called_in_any_order(chain, backbone: Any) -> None:
    chain_task = task(chain())
    context = untrained(backbone, chain_task).begin(chain_task.data.test().histories, (0, 1, 2, 3))
    prefix = {length: prefixes(chain_task.space, 60, 2, length) for length in range(4)}
    first = {length: context.next_log_probs(prefix[length]) for length in (3, 1, 0, 2)}
    for length in range(4):
        assert torch.equal(first[length], context.next_log_probs(prefix[length]))


@each_backbone
def test_the_loss_is_the_mean_of_the_log_probs(chain, backbone: Any) -> None:
    """Training computes a whole sequence, and decoding one code at a time from the cache."""
    chain_task = task(chain(), categories=True)
    network, examples = untrained(backbone, chain_task), chain_task.data.validation()
    codes = torch.from_numpy(chain_task.space.item_codes[examples.targets])
    context, total = network.begin(examples.histories, CANVASES[0]), 0.0
    for slot in range(6):
        log_probs = context.next_log_probs(codes[:, None, :slot])[:, 0]
        total += sum(-float(log_probs[user, code]) for user, code in enumerate(codes[:, slot])) / 6 / 60
    batch = backbone().collator(chain_task, 1)(examples, None)
    assert network(**batch)["loss"].item() == pytest.approx(total, rel=1e-5)
    assert total > 0.5 * math.log(chain_task.space.offsets[-1])


FITTED = [backbone if backbone is Llama3 else pytest.param(backbone, marks=pytest.mark.slow) for backbone in BACKBONES]


@pytest.fixture(scope="module", params=FITTED)
def fitted(request, chain, tmp_path_factory) -> tuple[Any, Task, Path, FitReport]:
    chain_task = task(chain())
    folder = tmp_path_factory.mktemp(request.param.__name__)
    steps = {"epochs": 8, "batch": 16} if request.param is Tiger else {"epochs": 12, "batch": 48}
    return request.param, chain_task, folder, request.param(lr=5e-3, dropout=0.0, **steps).fit(chain_task, folder)


def test_learns_the_next_item(fitted) -> None:
    """24 equally frequent items of 4 slots: without the history no loss below log(24) / 4 is possible."""
    backbone, chain_task, folder, report = fitted
    assert report.valid_loss[-1] < 0.75 * math.log(24) / 4
    best = ar_beam(backbone().load(chain_task, folder), chain_task, catalogue=True).codes[:, 0]
    correct = (best.numpy() == chain_task.space.item_codes[chain_task.data.test().targets]).all(axis=1)
    assert correct.mean() > (0.2 if backbone is Tiger else 0.7)  # T5 is slow to learn which tokens are the latest item


def test_load_refuses_other_slots(fitted, chain) -> None:
    backbone, _, folder, _ = fitted
    with pytest.raises(DataError, match=r"fitted for slots of 4\+3\+2\+5 codes, size 'tiny' and not of 2\+3\+4\+3"):
        backbone().load(task(chain(), categories=True), folder)


@pytest.mark.usefixtures("small_networks")
@each_backbone
def test_equal_seeds_give_equal_weights(chain, backbone: Any, tmp_path: Path) -> None:
    files = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        backbone(epochs=1, batch=256).fit(task(chain(users=30), seed=seed), tmp_path / name)
        files.append((tmp_path / name / "weights.safetensors").read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("backbone", [*BACKBONES, Llada])
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_every_option_has_a_default_at_each_size(backbone: Any, size: str) -> None:
    options = as_dict(backbone(lr=0.5, patience=3).with_size_defaults(size))
    assert None not in {options[name] for name in vars(backbone.size_defaults[size])}
    assert (options["lr"], options["patience"]) == (0.5, 3)


@each_backbone
def test_options_out_of_range_are_refused(backbone: Any) -> None:
    with pytest.raises(UsageError, match=r"'x': dropout is 1\.0; it must be at least 0, below 1"):
        build(backbone, "x", {"dropout": "1"})
