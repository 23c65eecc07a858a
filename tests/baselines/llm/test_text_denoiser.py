"""Published LLaDA: its answers, its loss, and its padding."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from mindrec_baselines.llm import text_denoiser
from mindrec_bench.core.dataset import Histories

from ..plain_llm import logits
from ..published import masked, network

SLOTS = tuple(range(6))


@pytest.fixture(scope="module")
def space(chain):
    return chain().space(categories=True)


@pytest.fixture(scope="module")
def net(space, tmp_path_factory):
    return network(tmp_path_factory.mktemp("llada"), "llada", space)


def histories() -> Histories:
    """Of 1, 4 and 2 items."""
    items = np.array([[-1, -1, -1, 7], [3, 4, 5, 6], [-1, -1, 20, 21]])
    return Histories(items, np.arange(3))


def merged(net) -> dict[str, torch.Tensor]:
    """The tensors of the network with the adapters added to its matrices, under Llama's names."""
    base = net.lora.get_base_model()
    tensors = {"model.embed_tokens.weight": base.model.embed_tokens.weight, "lm_head.weight": base.lm_head.weight}
    tensors["model.norm.weight"] = base.model.norm.weight
    for name, layer in base.model.layers.named_modules():
        if hasattr(layer, "lora_A"):
            change = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
            tensors[f"model.layers.{name}.weight"] = layer.base_layer.weight + 32 / 8 * change
        elif name.endswith("layernorm"):
            tensors[f"model.layers.{name}.weight"] = layer.weight
    return {name: tensor.detach() for name, tensor in tensors.items()}


def llada_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    from mindrec_baselines.checkpoints.formats import published_name

    return {published_name(name, "llada"): tensor for name, tensor in tensors.items()}


CONFIG = {"model_type": "llada", "n_heads": 4, "n_kv_heads": 4, "n_layers": 2, "rms_norm_eps": 1e-5, "rope_theta": 5e5}


@pytest.mark.parametrize("slots", [SLOTS, (2, 3, 4, 5)], ids=["generate", "history"])
def test_answers_equal_a_plain_computation_without_padding(net, space, slots):
    context = net.begin(histories(), slots)
    revealed = masked(3, 2, len(slots))
    revealed[:, 1, 1] = 2
    found = context.log_probs(revealed, range(len(slots)))
    assert found.shape == (3, 2, len(slots), max(space.sizes[slot] for slot in slots))
    tensors = llada_names(merged(net))
    tail = net.chat.tail(slots)
    for user in range(3):
        prompt, seen = net.chat.prompts(histories()[user : user + 1], np.array([0]))
        assert seen.all()
        for beam in range(2):
            ids = list(tail.ids)
            for slot, place, code in zip(slots, tail.places, revealed[user, beam].tolist(), strict=True):
                ids[place] = net.chat.mask if code < 0 else int(net.chat.codes[space.offsets[slot] + code])
            whole = logits(tensors, CONFIG, [*prompt[0].tolist(), *ids]).log_softmax(-1)
            for column, slot in enumerate(slots):
                own = net.chat.codes[space.offsets[slot] : space.offsets[slot + 1]]
                expected = whole[prompt.shape[1] + tail.places[column], own]
                answer = found[user, beam, column, : len(own)].double()
                torch.testing.assert_close(answer, expected, rtol=0, atol=1e-5)
                assert (found[user, beam, column, len(own) :] == -torch.inf).all()


def test_padding_changes_nothing_unless_it_is_attended_to(space, tmp_path, net):
    alone = [net.begin(histories()[user : user + 1], SLOTS).log_probs(masked(1, 1, 6), SLOTS) for user in range(3)]
    together = net.begin(histories(), SLOTS).log_probs(masked(3, 1, 6), SLOTS)
    torch.testing.assert_close(torch.cat(alone), together, rtol=0, atol=1e-5)
    attending = network(tmp_path, "llada", space, attend_pads=True)
    released = attending.begin(histories(), SLOTS).log_probs(masked(3, 1, 6), SLOTS)
    torch.testing.assert_close(released[1], together[1], rtol=0, atol=1e-5)  # the longest has no padding
    for user in (0, 2):
        difference = (released[user] - together[user])[together[user].isfinite()].abs().max()
        assert difference > 1e-3


def test_parts_of_a_batch_are_answered_as_the_whole(net, monkeypatch):
    context = net.begin(histories(), SLOTS)
    revealed = masked(3, 4, 6)
    revealed[:, torch.arange(4), torch.arange(4)] = 1
    whole = context.log_probs(revealed, [4, 5])
    monkeypatch.setattr(text_denoiser, "TOKENS", 1)
    torch.testing.assert_close(context.log_probs(revealed, [4, 5]), whole, rtol=0, atol=1e-5)


def test_asked_slots_come_in_the_order_asked(net):
    context = net.begin(histories(), SLOTS)
    whole = context.log_probs(masked(3, 2, 6), SLOTS)
    torch.testing.assert_close(context.log_probs(masked(3, 2, 6), [5, 0]), whole[:, :, [5, 0]])


def test_loss_equals_a_plain_computation(net, space):
    prompt, seen = net.chat.prompts(histories(), np.array([0, 1, 0]))
    codes = torch.from_numpy(space.item_codes[[8, 7, 22]])
    revealed = codes.clone()
    revealed[0, 2] = revealed[1, [0, 5]] = -1
    weights = torch.rand(3, 6, generator=torch.Generator().manual_seed(1))
    given = {"prompt": torch.from_numpy(prompt), "seen": torch.from_numpy(seen)}
    with torch.no_grad():
        loss = net(**given, revealed=revealed, labels=codes, weights=weights)["loss"]
    tensors, tail, total = llada_names(merged(net)), net.chat.tail(SLOTS), 0.0
    for user, slot in ((0, 2), (1, 0), (1, 5)):
        ids = list(tail.ids)
        for other, place in enumerate(tail.places):
            hidden = revealed[user, other] < 0
            ids[place] = net.chat.mask if hidden else int(net.chat.codes[space.offsets[other] + codes[user, other]])
        text = prompt[user, seen[user]].tolist()
        scores = logits(tensors, CONFIG, [*text, *ids])[len(text) + tail.places[slot]]
        label = net.chat.codes[space.offsets[slot] + codes[user, slot]]
        total -= float(scores.log_softmax(-1)[label] * weights[user, slot])
    assert float(loss) == pytest.approx(total / 3, rel=1e-5)


def test_only_slots_are_ever_masked(net, space):
    tail = net.chat.tail(SLOTS)
    tokens = net.fill(tail, masked(1, 1, 6)[0], torch.arange(6))[0].tolist()
    assert [place for place, token in enumerate(tokens) if token == net.chat.mask] == list(tail.places)
    assert tokens[2] == net.chat.separator[0]
    assert tokens[-1] == net.chat.end
    assert json.dumps(tokens).count(str(net.chat.mask)) == 6
