"""What published LLMs share: the restricted head, what is kept, what is cast."""

from __future__ import annotations

import pytest
import torch

from mindrec_baselines.llm import text_network
from mindrec_baselines.llm.text_network import positions_of

from ..published import network

FAMILIES = ("llada", "llama", "qwen2")
SLOTS = tuple(range(6))


@pytest.fixture(params=FAMILIES)
def net(request, chain, tmp_path):
    return network(tmp_path, request.param, chain().space(categories=True))


def test_the_restricted_head_equals_full_logits(net, monkeypatch):
    monkeypatch.setattr(text_network, "HEAD_ROWS", 7)  # several rounds
    ids = torch.randint(0, 250, (5, 12), generator=torch.Generator().manual_seed(0))
    mask = torch.ones(5, 1, 12, 12, dtype=torch.bool).tril()
    with torch.no_grad():
        states = net.run(ids, mask=mask, positions=torch.arange(12)[None])
        whole = net.lora(input_ids=ids, attention_mask=mask, position_ids=torch.arange(12)[None]).logits
        found = net.slot_log_probs(states[:, [9, 3]], net.tokens_of((1, 4)))
    probabilities = whole.double().log_softmax(-1)
    for column, (place, slot) in enumerate(((9, 1), (3, 4))):
        start, size = net.chat.space.offsets[slot], net.chat.space.sizes[slot]
        expected = probabilities[:, place, net.chat.codes[start : start + size]]
        torch.testing.assert_close(found[:, column, :size].double(), expected, rtol=0, atol=1e-5)
        assert (found[:, column, size:] == -torch.inf).all()
    assert found.dtype == torch.float32


@pytest.mark.parametrize("beams", [1, 3])
def test_the_head_sees_no_more_than_the_slots(net, chain, beams):
    rows = []
    net.lora.get_base_model().lm_head.register_forward_hook(lambda layer, given, out: rows.append(given[0].shape[:-1]))
    context = net.begin(chain().test().histories[:4], SLOTS)
    assert rows == [], "reading the prompt asks for no logits"
    if net.chat.mask is None:
        context.next_log_probs(torch.zeros(4, beams, 3, dtype=torch.long))
        assert rows == [(4, beams)]
    else:
        context.log_probs(torch.full((4, beams, 6), -1), [2, 5])
        assert rows == [(4 * beams, 2)]


def test_the_state_is_what_is_trained(net):
    state = net.state_dict()
    trained = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    assert len(state) == len(trained)
    assert sum(tensor.numel() for tensor in state.values()) == sum(
        parameter.numel() for parameter in net.parameters() if parameter.requires_grad
    )
    kept = {name: tensor.clone() for name, tensor in state.items()}
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.requires_grad:
                parameter.add_(1)
    net.load_state_dict(kept)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, kept[name], rtol=0, atol=0)
    with pytest.raises(RuntimeError, match="of another network"):
        net.load_state_dict({"other": torch.zeros(1)})


def test_in_half_precision_the_head_stays_whole(net, chain):
    frozen = [parameter for name, parameter in net.named_parameters() if "lora_" not in name]
    for parameter in frozen:
        parameter.data = parameter.data.bfloat16()
    for parameter in net.lora.get_base_model().lm_head.parameters():
        parameter.data = parameter.data.float()
    net.for_answers()
    kinds = {parameter.dtype for name, parameter in net.named_parameters() if "lm_head" not in name}
    assert kinds == {torch.bfloat16}
    context = net.begin(chain().test().histories[:2], SLOTS)
    ask = context.next_log_probs if net.chat.mask is None else lambda given: context.log_probs(given, [0])
    answer = ask(torch.full((2, 1, 0 if net.chat.mask is None else 6), -1))
    assert answer.dtype == torch.float32
    sizes = answer.isfinite().sum(-1).flatten().tolist()
    assert sizes == [net.chat.space.sizes[0]] * 2


def test_positions_count_what_is_seen():
    seen = torch.tensor([[False, False, True, True], [True, True, True, True]])
    assert positions_of(seen).tolist() == [[0, 0, 0, 1], [0, 1, 2, 3]]
