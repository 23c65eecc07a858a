"""What published LLMs share: the restricted head, the state dict, dtypes."""

from __future__ import annotations

import pytest
import torch

from mindrec_baselines.llm import text_network
from mindrec_baselines.llm.text_network import count_positions

from ..published import make_network

FAMILIES = ("llada", "llama", "qwen2")
SLOTS = tuple(range(6))


@pytest.fixture(params=FAMILIES)
def network(request, chain, tmp_path):
    return make_network(tmp_path, request.param, chain().space(categories=True))


def test_the_restricted_head_equals_full_logits(network, monkeypatch):
    monkeypatch.setattr(text_network, "HEAD_BATCH_ROWS", 7)  # several batches
    ids = torch.randint(0, 250, (5, 12), generator=torch.Generator().manual_seed(0))
    mask = torch.ones(5, 1, 12, 12, dtype=torch.bool).tril()
    with torch.no_grad():
        states = network.encode(ids, mask=mask, position_ids=torch.arange(12)[None])
        whole = network.lora(input_ids=ids, attention_mask=mask, position_ids=torch.arange(12)[None]).logits
        log_probs = network.slot_log_probs(states[:, [9, 3]], network.slot_token_ids((1, 4)))
    probabilities = whole.double().log_softmax(-1)
    for column, (position, slot) in enumerate(((9, 1), (3, 4))):
        start, size = network.encoder.space.offsets[slot], network.encoder.space.sizes[slot]
        expected = probabilities[:, position, network.encoder.code_token_ids[start : start + size]]
        torch.testing.assert_close(log_probs[:, column, :size].double(), expected, rtol=0, atol=1e-5)
        assert (log_probs[:, column, size:] == -torch.inf).all()
    assert log_probs.dtype == torch.float32


@pytest.mark.parametrize("beams", [1, 3])
def test_the_head_computes_the_slots_only(network, chain, beams):
    rows = []
    network.lora.get_base_model().lm_head.register_forward_hook(
        lambda layer, args, output: rows.append(args[0].shape[:-1])
    )
    context = network.begin(chain().test().histories[:4], SLOTS)
    assert rows == [], "the prompt needs no logits"
    if network.encoder.mask_token_id is None:
        context.next_log_probs(torch.zeros(4, beams, 3, dtype=torch.long))
        assert rows == [(4, beams)]
    else:
        context.log_probs(torch.full((4, beams, 6), -1), [2, 5])
        assert rows == [(4 * beams, 2)]


def test_the_state_dict_is_what_is_trained(network):
    state = network.state_dict()
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert len(state) == len(trained)
    assert sum(tensor.numel() for tensor in state.values()) == sum(
        parameter.numel() for parameter in network.parameters() if parameter.requires_grad
    )
    saved = {name: tensor.clone() for name, tensor in state.items()}
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(1)
    network.load_state_dict(saved)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, saved[name], rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="of another network"):
        network.load_state_dict({"other": torch.zeros(1)})


def test_in_half_precision_the_head_stays_float32(network, chain):
    frozen = [parameter for name, parameter in network.named_parameters() if "lora_" not in name]
    for parameter in frozen:
        parameter.data = parameter.data.bfloat16()
    for parameter in network.lora.get_base_model().lm_head.parameters():
        parameter.data = parameter.data.float()
    network.prepare_inference()
    dtypes = {parameter.dtype for name, parameter in network.named_parameters() if "lm_head" not in name}
    assert dtypes == {torch.bfloat16}
    context = network.begin(chain().test().histories[:2], SLOTS)
    call = (
        context.next_log_probs
        if network.encoder.mask_token_id is None
        else lambda revealed: context.log_probs(revealed, [0])
    )
    log_probs = call(torch.full((2, 1, 0 if network.encoder.mask_token_id is None else 6), -1))
    assert log_probs.dtype == torch.float32
    sizes = log_probs.isfinite().sum(-1).flatten().tolist()
    assert sizes == [network.encoder.space.sizes[0]] * 2


def test_positions_count_what_is_attended_to():
    attention_mask = torch.tensor([[False, False, True, True], [True, True, True, True]])
    assert count_positions(attention_mask).tolist() == [[0, 0, 0, 1], [0, 1, 2, 3]]
