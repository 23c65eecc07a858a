"""Published causal LLMs: their answers, their loss, and their padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mindrec_bench.core.dataset import Histories

from ..plain_llm import logits
from ..published import network
from .test_text_denoiser import merged

FAMILIES = ("llama", "qwen2")
SLOTS = tuple(range(6))


@pytest.fixture(scope="module")
def space(chain):
    return chain().space(categories=True)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def net(family, space, tmp_path_factory):
    return network(tmp_path_factory.mktemp(family), family, space)


def histories() -> Histories:
    """Of 1, 4 and 2 items."""
    return Histories(np.array([[-1, -1, -1, 7], [3, 4, 5, 6], [-1, -1, 20, 21]]), np.arange(3))


def plain(net, family, ids: list[int]) -> torch.Tensor:
    tensors = merged(net)
    base = net.lora.get_base_model()
    for name, parameter in base.model.layers.named_parameters():
        if name.endswith("bias"):
            tensors["model.layers." + name.replace("base_layer.", "")] = parameter.detach()
    kind = base.config
    config = {
        "model_type": family,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_hidden_layers": 2,
        "rms_norm_eps": kind.rms_norm_eps,
        "rope_theta": kind.rope_parameters["rope_theta"],
    }
    return logits(tensors, config, ids).log_softmax(-1)


@pytest.mark.parametrize("slots", [SLOTS, (2, 3, 4, 5)], ids=["generate", "history"])
@pytest.mark.parametrize("known", [0, 1, 2, 3])
def test_answers_equal_a_plain_computation(net, family, space, slots, known):
    context = net.begin(histories(), slots)
    prefix = torch.stack([torch.zeros(3, known), torch.ones(3, known)], dim=1).long()
    found = context.next_log_probs(prefix)
    slot = slots[known]
    own = net.chat.codes[space.offsets[slot] : space.offsets[slot + 1]]
    tail = net.chat.tail(slots)
    for user in range(3):
        prompt, _ = net.chat.prompts(histories()[user : user + 1], np.array([0]))
        for beam in range(2):
            after = list(tail.ids[: tail.places[known]])
            for place, other in zip(tail.places, slots[:known], strict=False):
                after[place] = int(net.chat.codes[space.offsets[other] + beam])
            expected = plain(net, family, [*prompt[0].tolist(), *after])[-1, own]
            torch.testing.assert_close(found[user, beam, : len(own)].double(), expected, rtol=0, atol=1e-5)
            assert (found[user, beam, len(own) :] == -torch.inf).all()


def test_padding_changes_nothing_unless_it_is_attended_to(net, family, space, tmp_path):
    prefix = torch.zeros(3, 2, 3, dtype=torch.long)
    alone = [net.begin(histories()[user : user + 1], SLOTS).next_log_probs(prefix[:1]) for user in range(3)]
    together = net.begin(histories(), SLOTS).next_log_probs(prefix)
    torch.testing.assert_close(torch.cat(alone), together, rtol=0, atol=1e-5)
    attending = network(tmp_path, family, space, attend_pads=True)
    released = attending.begin(histories(), SLOTS).next_log_probs(prefix)
    torch.testing.assert_close(released[1], together[1], rtol=0, atol=1e-5)  # the longest has no padding
    for user in (0, 2):
        assert (released[user] - together[user])[together[user].isfinite()].abs().max() > 1e-3


def test_the_prompt_is_read_once(net):
    lengths = []
    handle = net.blocks.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape[:2]), with_kwargs=True
    )
    context = net.begin(histories(), SLOTS)
    context.next_log_probs(torch.zeros(3, 1, 0, dtype=torch.long))
    context.next_log_probs(torch.zeros(3, 5, 1, dtype=torch.long))
    context.next_log_probs(torch.zeros(3, 5, 2, dtype=torch.long))
    handle.remove()
    assert lengths[1:] == [(3, 5), (3, 5 * 3)], "a code and, after the categories, the separator, for 5 beams"


def test_loss_equals_a_plain_computation(net, family, space):
    prompt, seen = net.chat.prompts(histories(), np.array([0, 1, 0]))
    codes = torch.from_numpy(space.item_codes[[8, 7, 22]])
    with torch.no_grad():
        loss = net(torch.from_numpy(prompt), torch.from_numpy(seen), codes)["loss"]
    tail, total = net.chat.tail(SLOTS), 0.0
    for user in range(3):
        tokens = [int(net.chat.codes[space.offsets[slot] + codes[user, slot]]) for slot in SLOTS]
        after = list(tail.ids)
        for place, token in zip(tail.places, tokens, strict=True):
            after[place] = token
        text = prompt[user, seen[user]].tolist()
        scores = plain(net, family, [*text, *after])
        total -= sum(
            float(scores[len(text) + place - 1, token]) for place, token in zip(tail.places, tokens, strict=True)
        )
    assert float(loss) == pytest.approx(total / 18, rel=1e-5)
