"""Published causal LLMs: predictions, loss, padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mindrec_bench.core.dataset import Histories

from ..plain_llm import logits
from ..published import make_network
from .test_text_denoiser import merged_tensors

FAMILIES = ("llama", "qwen2")
SLOTS = tuple(range(6))


@pytest.fixture(scope="module")
def space(chain):
    return chain().space(categories=True)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def network(family, space, tmp_path_factory):
    return make_network(tmp_path_factory.mktemp(family), family, space)


def histories() -> Histories:
    """Histories of 1, 4 and 2 items."""
    return Histories(np.array([[-1, -1, -1, 7], [3, 4, 5, 6], [-1, -1, 20, 21]]), np.arange(3))


def reference(network, family, ids: list[int]) -> torch.Tensor:
    tensors = merged_tensors(network)
    base = network.lora.get_base_model()
    for name, parameter in base.model.layers.named_parameters():
        if name.endswith("bias"):
            tensors["model.layers." + name.replace("base_layer.", "")] = parameter.detach()
    base_config = base.config
    config = {
        "model_type": family,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_hidden_layers": 2,
        "rms_norm_eps": base_config.rms_norm_eps,
        "rope_theta": base_config.rope_parameters["rope_theta"],
    }
    return logits(tensors, config, ids).log_softmax(-1)


@pytest.mark.parametrize("slots", [SLOTS, (2, 3, 4, 5)], ids=["generate", "history"])
@pytest.mark.parametrize("known", [0, 1, 2, 3])
def test_log_probs_equal_the_reference(network, family, space, slots, known):
    context = network.begin(histories(), slots)
    prefix = torch.stack([torch.zeros(3, known), torch.ones(3, known)], dim=1).long()
    log_probs = context.next_log_probs(prefix)
    slot = slots[known]
    token_ids = network.encoder.code_token_ids[space.offsets[slot] : space.offsets[slot + 1]]
    layout = network.encoder.target_layout(slots)
    for user in range(3):
        prompt_ids, _ = network.encoder.encode_prompts(histories()[user : user + 1], np.array([0]))
        for beam in range(2):
            target_ids = list(layout.token_ids[: layout.slot_positions[known]])
            for position, other in zip(layout.slot_positions, slots[:known], strict=False):
                target_ids[position] = int(network.encoder.code_token_ids[space.offsets[other] + beam])
            expected = reference(network, family, [*prompt_ids[0].tolist(), *target_ids])[-1, token_ids]
            torch.testing.assert_close(log_probs[user, beam, : len(token_ids)].double(), expected, rtol=0, atol=1e-5)
            assert (log_probs[user, beam, len(token_ids) :] == -torch.inf).all()


def test_padding_changes_nothing_unless_it_is_attended_to(network, family, space, tmp_path):
    prefix = torch.zeros(3, 2, 3, dtype=torch.long)
    alone = [network.begin(histories()[user : user + 1], SLOTS).next_log_probs(prefix[:1]) for user in range(3)]
    together = network.begin(histories(), SLOTS).next_log_probs(prefix)
    torch.testing.assert_close(torch.cat(alone), together, rtol=0, atol=1e-5)
    attending = make_network(tmp_path, family, space, attend_pads=True)
    released = attending.begin(histories(), SLOTS).next_log_probs(prefix)
    torch.testing.assert_close(released[1], together[1], rtol=0, atol=1e-5)  # the longest has no padding
    for user in (0, 2):
        assert (released[user] - together[user])[together[user].isfinite()].abs().max() > 1e-3


def test_the_prompt_is_computed_once(network):
    lengths = []
    handle = network.blocks.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape[:2]), with_kwargs=True
    )
    context = network.begin(histories(), SLOTS)
    context.next_log_probs(torch.zeros(3, 1, 0, dtype=torch.long))
    context.next_log_probs(torch.zeros(3, 5, 1, dtype=torch.long))
    context.next_log_probs(torch.zeros(3, 5, 2, dtype=torch.long))
    handle.remove()
    assert lengths[1:] == [(3, 5), (3, 5 * 3)], "a code and, after the categories, the separator, for 5 beams"


def test_the_loss_equals_the_reference(network, family, space):
    prompt_ids, attention_mask = network.encoder.encode_prompts(histories(), np.array([0, 1, 0]))
    codes = torch.from_numpy(space.item_codes[[8, 7, 22]])
    with torch.no_grad():
        loss = network(torch.from_numpy(prompt_ids), torch.from_numpy(attention_mask), codes)["loss"]
    layout, total = network.encoder.target_layout(SLOTS), 0.0
    for user in range(3):
        tokens = [int(network.encoder.code_token_ids[space.offsets[slot] + codes[user, slot]]) for slot in SLOTS]
        target_ids = list(layout.token_ids)
        for position, token in zip(layout.slot_positions, tokens, strict=True):
            target_ids[position] = token
        text = prompt_ids[user, attention_mask[user]].tolist()
        scores = reference(network, family, [*text, *target_ids])
        total -= sum(
            float(scores[len(text) + position - 1, token])
            for position, token in zip(layout.slot_positions, tokens, strict=True)
        )
    assert float(loss) == pytest.approx(total / 18, rel=1e-5)


def test_attention_reads_the_prompt_of_a_user_and_not_of_a_beam(network, monkeypatch):
    """Keys of 3 users, each with the prompt once and the codes of 5 beams."""
    keys, attend = [], torch.nn.functional.scaled_dot_product_attention

    def recording(query, key, *args, **kwargs):
        keys.append(tuple(key.shape))
        return attend(query, key, *args, **kwargs)

    context = network.begin(histories(), SLOTS)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", recording)
    context.next_log_probs(torch.zeros(3, 5, 1, dtype=torch.long))
    kept = context.prompt_keys_values
    assert [(users, positions) for users, _, positions, _ in keys] == [(3, kept[0][0].shape[2] + 5)] * len(kept)
    assert len({tensor.data_ptr() for layer in kept for tensor in layer}) == 2 * len(kept)
