"""The network of `tiger` equals T5ForConditionalGeneration of transformers over the codes of the history."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import T5ForConditionalGeneration

from mindrec_baselines.tiger import Tiger
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Histories

from ..causal import ar_beam, assert_same, generated, prefixes, task, untrained


def transformers_t5(network: Any) -> T5ForConditionalGeneration:
    """T5 of transformers with the weights of our network."""
    model = T5ForConditionalGeneration(network.t5.config)
    incompatible = model.load_state_dict(network.t5.state_dict(), strict=False)
    tied = {"shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"}
    assert (set(incompatible.missing_keys), incompatible.unexpected_keys) == (tied, [])
    model.shared.weight.data.copy_(network.embedding.weight)
    assert model.lm_head.weight is model.shared.weight
    return model.eval()


def encoder_inputs(network: Any, chain_task: Task) -> dict[str, torch.Tensor]:
    """The codes of the test histories, one token per code, the latest on the right."""
    items = chain_task.data.test().histories.items
    codes = (chain_task.space.item_codes + np.asarray(chain_task.space.offsets[:-1]))[items]
    ids = np.where((items < 0)[..., None], network.pad, codes).reshape(len(items), -1)
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy((ids != network.pad).astype(int))}


@pytest.mark.parametrize("catalogue", [False, True], ids=["slots", "catalogue"])
@pytest.mark.parametrize("categories", [False, True])
def test_beam_search_equals_generate(chain, categories: bool, catalogue: bool) -> None:
    chain_task = task(chain(users=20), categories=categories)
    network = untrained(Tiger, chain_task)
    inputs = encoder_inputs(network, chain_task)
    expected = generated(transformers_t5(network), chain_task, inputs, catalogue=catalogue, skip=1)
    assert_same(ar_beam(network, chain_task, catalogue=catalogue), expected)


def test_the_loss_equals_that_of_transformers(chain) -> None:
    chain_task = task(chain(), categories=True)
    network = untrained(Tiger, chain_task)
    test = chain_task.data.test()
    labels = torch.from_numpy(chain_task.space.item_codes[test.targets])
    inputs = encoder_inputs(network, chain_task)
    expected = transformers_t5(network)(**inputs, labels=labels + network.offsets).loss
    loss = network(torch.from_numpy(test.histories.items), labels)["loss"]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("slots", [(0, 1, 2, 3, 4, 5), (2, 3, 4, 5)], ids=["generate", "history"])
def test_cached_log_probs_equal_those_of_whole_sequences(chain, slots: tuple[int, ...]) -> None:
    chain_task = task(chain(), categories=True)
    network, histories = untrained(Tiger, chain_task), chain_task.data.test().histories
    context = network.begin(histories, slots)
    for length, slot in enumerate(slots):
        prefix = prefixes(chain_task.space, 60, 3, length, slots[0])
        with torch.no_grad():
            encoded = network.encode_items(torch.from_numpy(histories.items).repeat_interleave(3, dim=0))
            token_ids = prefix.flatten(0, 1) + network.offsets[list(slots[:length])]
            states = network.decode(network.prepend_start(token_ids), *encoded, use_cache=False)[:, -1]
            uncached = network.logits(states).log_softmax(-1).unflatten(0, (-1, 3))
        first, last = chain_task.space.offsets[slot : slot + 2]
        cached = context.next_log_probs(prefix)[..., : last - first]
        torch.testing.assert_close(cached, uncached[..., first:last], atol=1e-5, rtol=0)


def test_the_history_is_encoded_once(chain) -> None:
    chain_task = task(chain())
    network = untrained(Tiger, chain_task)
    calls = {"encoder": 0, "cross-attention keys": 0}

    def count(name: str) -> Any:
        return lambda *_: calls.__setitem__(name, calls[name] + 1)

    network.t5.encoder.register_forward_hook(count("encoder"))
    for block in network.t5.decoder.block:
        block.layer[1].EncDecAttention.k.register_forward_hook(count("cross-attention keys"))
    context = network.begin(chain_task.data.test().histories, (0, 1, 2, 3))
    for length in range(4):
        context.next_log_probs(prefixes(chain_task.space, 60, 5, length))
    assert calls == {"encoder": 1, "cross-attention keys": len(network.t5.decoder.block)}


def test_padding_changes_nothing(chain) -> None:
    chain_task = task(chain())
    network, histories = untrained(Tiger, chain_task), chain_task.data.test().histories
    short = histories[np.flatnonzero((histories.items[:, :4] < 0).all(axis=1))]
    assert len(short) > 5
    prefix = prefixes(chain_task.space, len(short), 2, 2)
    padded = network.begin(short, (0, 1, 2, 3)).next_log_probs(prefix)
    unpadded = network.begin(Histories(short.items[:, 4:], short.users), (0, 1, 2, 3)).next_log_probs(prefix)
    torch.testing.assert_close(padded, unpadded, atol=1e-5, rtol=0)
