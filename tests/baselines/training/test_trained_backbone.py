"""What every causal backbone that is trained from scratch owes, and the options that they and `llada` share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from mindrec_baselines.llada import Llada
from mindrec_baselines.tiger import Tiger
from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.plugins.options import as_dict, build

from ..causal import BACKBONES, ar_beam, prefixes, task, untrained

CANVASES = [(0, 1, 2, 3, 4, 5), (2, 3, 4, 5)]
"""With all slots (`generate`, `given`), and without the category slots (`history`)."""

every_backbone = pytest.mark.parametrize("backbone", BACKBONES)


@every_backbone
@pytest.mark.parametrize("slots", CANVASES)
def test_answers_have_their_slots_shape(chain, backbone: Any, slots: tuple[int, ...]) -> None:
    given = task(chain(), categories=True)
    context = untrained(backbone, given).begin(given.data.test().histories[:7], slots)
    sizes = [given.space.sizes[slot] for slot in slots]
    for length, size in enumerate(sizes):
        answer = context.next_log_probs(prefixes(given.space, 7, 3, length, slots[0]))
        assert (answer.shape, answer.dtype) == ((7, 3, max(sizes)), torch.float32)
        assert answer[..., :size].isfinite().all()
        assert (answer[..., size:] == -torch.inf).all()


@every_backbone
def test_probabilities_are_over_the_whole_vocabulary(chain, backbone: Any, monkeypatch) -> None:
    given = task(chain())
    network = untrained(backbone, given)
    seen: list[torch.Tensor] = []
    score = network.logits
    monkeypatch.setattr(network, "logits", lambda states: seen.append(score(states)) or seen[-1])
    context = network.begin(given.data.test().histories, (0, 1, 2, 3))
    for slot in range(4):
        answer = context.next_log_probs(prefixes(given.space, 60, 2, slot))
        whole = seen[-1].softmax(dim=-1)
        first, last = given.space.offsets[slot : slot + 2]
        torch.testing.assert_close(answer[..., : last - first].exp(), whole[..., first:last])
        assert (answer.exp().sum(-1) < 0.999).all()
        assert (whole.shape[-1] - given.space.offsets[-1]) in (0, 1)  # T5 has one token that is no code


@every_backbone
def test_beams_and_users_do_not_touch_each_other(chain, backbone: Any) -> None:
    given = task(chain(), categories=True)
    network, histories = untrained(backbone, given), given.data.test().histories
    prefix = prefixes(given.space, 60, 4, 3)
    whole = network.begin(histories, CANVASES[0]).next_log_probs(prefix)
    for users, beams in ((slice(None), [2]), (slice(None), [3, 0]), (slice(20, 33), [0, 1, 2, 3]), ([5], [1])):
        part = network.begin(histories[users], CANVASES[0]).next_log_probs(prefix[users][:, beams])
        torch.testing.assert_close(part, whole[users][:, beams], atol=1e-5, rtol=0)


@every_backbone
def test_a_context_answers_in_any_order(chain, backbone: Any) -> None:
    given = task(chain())
    context = untrained(backbone, given).begin(given.data.test().histories, (0, 1, 2, 3))
    asked = {length: prefixes(given.space, 60, 2, length) for length in range(4)}
    first = {length: context.next_log_probs(asked[length]) for length in (3, 1, 0, 2)}
    for length in range(4):
        assert torch.equal(first[length], context.next_log_probs(asked[length]))


@every_backbone
def test_the_loss_is_the_mean_of_what_is_answered(chain, backbone: Any) -> None:
    """Training and decoding go through different paths: one whole sequence, or one code at a time from the cache."""
    given = task(chain(), categories=True)
    network, examples = untrained(backbone, given), given.data.validation()
    codes = torch.from_numpy(given.space.item_codes[examples.targets])
    context, total = network.begin(examples.histories, CANVASES[0]), 0.0
    for slot in range(6):
        answer = context.next_log_probs(codes[:, None, :slot])[:, 0]
        total += sum(-float(answer[user, code]) for user, code in enumerate(codes[:, slot])) / 6 / 60
    batch = backbone()._collate(given, 1)(examples, None)
    assert network(**batch)["loss"].item() == pytest.approx(total, rel=1e-5)
    assert total > 0.5 * math.log(given.space.offsets[-1])


@pytest.fixture(scope="module", params=BACKBONES)
def fitted(request, chain, tmp_path_factory) -> tuple[Any, Task, Path, FitReport]:
    given = task(chain())
    folder = tmp_path_factory.mktemp(request.param.__name__)
    steps = {"epochs": 8, "batch": 16} if request.param is Tiger else {"epochs": 12, "batch": 48}
    return request.param, given, folder, request.param(lr=5e-3, dropout=0.0, **steps).fit(given, folder)


def test_learns_the_next_item(fitted) -> None:
    """24 equally frequent items of 4 slots: who does not use the history can't come below log(24) / 4."""
    backbone, given, folder, report = fitted
    assert report.valid_loss[-1] < 0.75 * math.log(24) / 4
    best = ar_beam(backbone().load(given, folder), given, catalogue=True).codes[:, 0]
    right = (best.numpy() == given.space.item_codes[given.data.test().targets]).all(axis=1)
    assert right.mean() > (0.2 if backbone is Tiger else 0.7)  # T5 is slow to learn which tokens are the latest item


def test_load_refuses_other_slots(fitted, chain) -> None:
    backbone, _, folder, _ = fitted
    with pytest.raises(DataError, match=r"fitted for slots of 4\+3\+2\+5 codes, size 'tiny' and not of 2\+3\+4\+3"):
        backbone().load(task(chain(), categories=True), folder)


@every_backbone
def test_equal_seeds_give_equal_weights(chain, backbone: Any, tmp_path: Path) -> None:
    files = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        backbone(epochs=1, batch=256).fit(task(chain(users=30), seed=seed), tmp_path / name)
        files.append((tmp_path / name / "weights.safetensors").read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("backbone", [*BACKBONES, Llada])
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_options_at_a_size_are_all_filled_in(backbone: Any, size: str) -> None:
    filled = as_dict(backbone(lr=0.5, patience=3).with_size_defaults(size))
    assert None not in filled.values()
    assert (filled["lr"], filled["patience"]) == (0.5, 3)


def test_llada_keeps_the_options_that_identify_its_fitted_models() -> None:
    assert list(as_dict(Llada().with_size_defaults("small")).items()) == [
        ("p_mask", 0.6), ("lr", 1.5e-3), ("epochs", 30), ("batch", 128), ("patience", 5), ("dropout", 0.1),
        ("weight_decay", 0.1), ("shuffle", True),
    ]  # fmt: skip


@every_backbone
def test_options_out_of_range_are_refused(backbone: Any) -> None:
    with pytest.raises(UsageError, match=r"'x': dropout is 1\.0; it must be at least 0, below 1"):
        build(backbone, "x", {"dropout": "1"})
