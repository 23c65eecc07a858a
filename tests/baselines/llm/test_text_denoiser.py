"""Published LLaDA: predictions, loss, padding."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from mindrec_baselines.llm import text_denoiser
from mindrec_baselines.llm.text_denoiser import TextDenoiser
from mindrec_bench.core.dataset import Histories

from ..plain_llm import logits
from ..published import make_network, masked

SLOTS = tuple(range(6))


@pytest.fixture(scope="module")
def space(chain):
    return chain().space(categories=True)


@pytest.fixture(scope="module")
def network(space, tmp_path_factory):
    return make_network(tmp_path_factory.mktemp("llada"), "llada", space)


def histories() -> Histories:
    """Histories of 1, 4 and 2 items."""
    items = np.array([[-1, -1, -1, 7], [3, 4, 5, 6], [-1, -1, 20, 21]])
    return Histories(items, np.arange(3))


def merged_tensors(network) -> dict[str, torch.Tensor]:
    """The tensors of the network under Llama's names, with the adapters merged into the matrices."""
    base = network.lora.get_base_model()
    tensors = {"model.embed_tokens.weight": base.model.embed_tokens.weight, "lm_head.weight": base.lm_head.weight}
    tensors["model.norm.weight"] = base.model.norm.weight
    for name, layer in base.model.layers.named_modules():
        if hasattr(layer, "lora_A"):
            update = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
            tensors[f"model.layers.{name}.weight"] = layer.base_layer.weight + 32 / 8 * update
        elif name.endswith("layernorm"):
            tensors[f"model.layers.{name}.weight"] = layer.weight
    return {name: tensor.detach() for name, tensor in tensors.items()}


def with_llada_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    from mindrec_baselines.checkpoints.formats import published_name

    return {published_name(name, "llada"): tensor for name, tensor in tensors.items()}


CONFIG = {"model_type": "llada", "n_heads": 4, "n_kv_heads": 4, "n_layers": 2, "rms_norm_eps": 1e-5, "rope_theta": 5e5}


@pytest.mark.parametrize("slots", [SLOTS, (2, 3, 4, 5)], ids=["generate", "history"])
def test_log_probs_equal_the_reference_without_padding(network, space, slots):
    context = network.begin(histories(), slots)
    revealed = masked(3, 2, len(slots))
    revealed[:, 1, 1] = 2
    log_probs = context.log_probs(revealed, range(len(slots)))
    assert log_probs.shape == (3, 2, len(slots), max(space.sizes[slot] for slot in slots))
    tensors = with_llada_names(merged_tensors(network))
    encoder, layout = network.encoder, network.encoder.target_layout(slots)
    for user in range(3):
        prompt_ids, attention_mask = encoder.encode_prompts(histories()[user : user + 1], np.array([0]))
        assert attention_mask.all()
        for beam in range(2):
            ids = list(layout.token_ids)
            for slot, position, code in zip(slots, layout.slot_positions, revealed[user, beam].tolist(), strict=True):
                token_id = encoder.code_token_ids[space.offsets[slot] + code]
                ids[position] = encoder.mask_token_id if code < 0 else int(token_id)
            whole = logits(tensors, CONFIG, [*prompt_ids[0].tolist(), *ids]).log_softmax(-1)
            for column, slot in enumerate(slots):
                token_ids = encoder.code_token_ids[space.offsets[slot] : space.offsets[slot + 1]]
                expected = whole[prompt_ids.shape[1] + layout.slot_positions[column], token_ids]
                actual = log_probs[user, beam, column, : len(token_ids)].double()
                torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)
                assert (log_probs[user, beam, column, len(token_ids) :] == -torch.inf).all()


def test_padding_changes_nothing_unless_it_is_attended_to(space, tmp_path, network):
    alone = [network.begin(histories()[user : user + 1], SLOTS).log_probs(masked(1, 1, 6), SLOTS) for user in range(3)]
    together = network.begin(histories(), SLOTS).log_probs(masked(3, 1, 6), SLOTS)
    torch.testing.assert_close(torch.cat(alone), together, rtol=0, atol=1e-5)
    attending = make_network(tmp_path, "llada", space, attend_pads=True)
    released = attending.begin(histories(), SLOTS).log_probs(masked(3, 1, 6), SLOTS)
    torch.testing.assert_close(released[1], together[1], rtol=0, atol=1e-5)  # the longest has no padding
    for user in (0, 2):
        difference = (released[user] - together[user])[together[user].isfinite()].abs().max()
        assert difference > 1e-3


def test_chunks_of_a_batch_give_the_result_of_the_whole(network, monkeypatch):
    context = network.begin(histories(), SLOTS)
    revealed = masked(3, 4, 6)
    revealed[:, torch.arange(4), torch.arange(4)] = 1
    whole = context.log_probs(revealed, [4, 5])
    monkeypatch.setattr(text_denoiser, "BATCH_TOKENS", 1)
    torch.testing.assert_close(context.log_probs(revealed, [4, 5]), whole, rtol=0, atol=1e-5)


def test_slots_come_in_the_requested_order(network):
    context = network.begin(histories(), SLOTS)
    whole = context.log_probs(masked(3, 2, 6), SLOTS)
    torch.testing.assert_close(context.log_probs(masked(3, 2, 6), [5, 0]), whole[:, :, [5, 0]])


def test_the_loss_equals_the_reference(network, space):
    encoder = network.encoder
    prompt_ids, attention_mask = encoder.encode_prompts(histories(), np.array([0, 1, 0]))
    codes = torch.from_numpy(space.item_codes[[8, 7, 22]])
    revealed = codes.clone()
    revealed[0, 2] = revealed[1, [0, 5]] = -1
    weights = torch.rand(3, 6, generator=torch.Generator().manual_seed(1))
    prompts = {"prompt_ids": torch.from_numpy(prompt_ids), "attention_mask": torch.from_numpy(attention_mask)}
    with torch.no_grad():
        loss = network(**prompts, revealed=revealed, labels=codes, weights=weights)["loss"]
    tensors, layout, total = with_llada_names(merged_tensors(network)), encoder.target_layout(SLOTS), 0.0
    for user, slot in ((0, 2), (1, 0), (1, 5)):
        ids = list(layout.token_ids)
        for other, position in enumerate(layout.slot_positions):
            token_id = encoder.code_token_ids[space.offsets[other] + codes[user, other]]
            ids[position] = encoder.mask_token_id if revealed[user, other] < 0 else int(token_id)
        text = prompt_ids[user, attention_mask[user]].tolist()
        scores = logits(tensors, CONFIG, [*text, *ids])[len(text) + layout.slot_positions[slot]]
        label = encoder.code_token_ids[space.offsets[slot] + codes[user, slot]]
        total -= float(scores.log_softmax(-1)[label] * weights[user, slot])
    assert float(loss) == pytest.approx(total / 3, rel=1e-5)


def test_only_slots_are_masked(network, space):
    encoder, layout = network.encoder, network.encoder.target_layout(SLOTS)
    tokens = network.target_ids(layout, masked(1, 1, 6)[0], torch.arange(6))[0].tolist()
    masked_positions = [position for position, token in enumerate(tokens) if token == encoder.mask_token_id]
    assert masked_positions == list(layout.slot_positions)
    assert tokens[2] == encoder.separator_ids[0]
    assert tokens[-1] == encoder.end_token_id
    assert json.dumps(tokens).count(str(encoder.mask_token_id)) == 6


def prefix_network(network) -> TextDenoiser:
    """The same weights, with prompts that attend to themselves only."""
    return TextDenoiser(network.lora, network.encoder, attention="prefix").eval()


def random_canvases(users: int, beams: int) -> torch.Tensor:
    revealed = masked(users, beams, 6)
    revealed[:, 1:, 1], revealed[:, 2:, 4] = 1, 0
    return revealed


@pytest.mark.parametrize("batch_tokens", [10**6, 1])
def test_prompts_read_once_equal_prompts_read_for_every_beam(network, monkeypatch, batch_tokens):
    """Under the same mask, with padding, and users in one part or in many."""
    monkeypatch.setattr(text_denoiser, "BATCH_TOKENS", batch_tokens)
    prefix, revealed = prefix_network(network), random_canvases(3, 3)
    context = prefix.begin(histories(), SLOTS)
    read_again = dataclasses.replace(context, keys_values=None)
    for columns in (SLOTS, (2, 5)):
        once, again = (made.log_probs(revealed, columns) for made in (context, read_again))
        torch.testing.assert_close(once, again, rtol=0, atol=1e-5)
    full = network.begin(histories(), SLOTS).log_probs(revealed, SLOTS)
    assert not torch.allclose(full[..., 0], context.log_probs(revealed, SLOTS)[..., 0], atol=1e-4)


def test_beams_pass_no_prompt_through_the_network(network, monkeypatch):
    """The positions of a step: those of the targets, against prompt and target for every beam."""
    positions, encode = [], TextDenoiser.encode

    def counting(self, token_ids, **options):
        positions.append(token_ids.numel())
        return encode(self, token_ids, **options)

    monkeypatch.setattr(TextDenoiser, "encode", counting)
    context = prefix_network(network).begin(histories(), SLOTS)
    context.log_probs(random_canvases(3, 3), SLOTS)
    prompt, target = context.prompt_ids.shape[1], len(context.layout.token_ids)
    assert positions == [3 * prompt, 3 * 3 * target]
    network.begin(histories(), SLOTS).log_probs(random_canvases(3, 3), SLOTS)
    assert positions[2:] == [3 * 3 * (prompt + target)]


def test_training_sees_the_mask_of_inference(network):
    """The loss of a batch follows from the log-probabilities of the prefix context."""
    prefix, codes = prefix_network(network), torch.tensor([[1, 0, 2, 1, 0, 1]] * 3)
    revealed = torch.where(torch.tensor([True, False, True, True, False, True]), -1, codes)
    weights = (revealed < 0) / 3.0
    context = prefix.begin(histories(), SLOTS)
    with torch.no_grad():
        loss = prefix(context.prompt_ids, context.attention_mask, revealed, codes, weights)["loss"]
    log_probs = context.log_probs(revealed[:, None], SLOTS)[:, 0].gather(2, codes[..., None])[..., 0]
    assert float(loss) == pytest.approx(float(-(log_probs * weights).sum() / 3), rel=1e-4)
