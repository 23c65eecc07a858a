"""`tiger` is T5ForConditionalGeneration of transformers over the codes of the history."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import T5ForConditionalGeneration

from mindrec_baselines.tiger import SHAPES, Tiger
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Histories

from .causal import ar_beam, assert_same, generated, prefixes, task, untrained


def with_head(network: Any) -> T5ForConditionalGeneration:
    """T5 of transformers with the weights of our network."""
    model = T5ForConditionalGeneration(network.t5.config)
    lacks = model.load_state_dict(network.t5.state_dict(), strict=False)
    tied = {"shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"}
    assert (set(lacks.missing_keys), lacks.unexpected_keys) == (tied, [])
    model.shared.weight.data.copy_(network.embedding.weight)
    assert model.lm_head.weight is model.shared.weight
    return model.eval()


def tokens(network: Any, given: Task) -> dict[str, torch.Tensor]:
    """The codes of the histories, one token each, the latest on the right."""
    items = given.data.test().histories.items
    codes = (given.space.item_codes + np.asarray(given.space.offsets[:-1]))[items]
    ids = np.where((items < 0)[..., None], network.pad, codes).reshape(len(items), -1)
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy((ids != network.pad).astype(int))}


@pytest.mark.parametrize("catalogue", [False, True], ids=["slots", "catalogue"])
@pytest.mark.parametrize("categories", [False, True])
def test_beam_search_equals_generate(chain, categories: bool, catalogue: bool) -> None:
    given = task(chain(users=20), categories=categories)
    network = untrained(Tiger, given)
    theirs = generated(with_head(network), given, tokens(network, given), catalogue=catalogue, skip=1)
    assert_same(ar_beam(network, given, catalogue=catalogue), theirs)


def test_the_loss_equals_that_of_transformers(chain) -> None:
    given = task(chain(), categories=True)
    network = untrained(Tiger, given)
    test = given.data.test()
    labels = torch.from_numpy(given.space.item_codes[test.targets])
    theirs = with_head(network)(**tokens(network, given), labels=labels + network.offsets).loss
    ours = network(torch.from_numpy(test.histories.items), labels)["loss"]
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("slots", [(0, 1, 2, 3, 4, 5), (2, 3, 4, 5)], ids=["generate", "history"])
def test_cached_answers_equal_those_of_whole_sequences(chain, slots: tuple[int, ...]) -> None:
    given = task(chain(), categories=True)
    network, histories = untrained(Tiger, given), given.data.test().histories
    context = network.begin(histories, slots)
    for length, slot in enumerate(slots):
        prefix = prefixes(given.space, 60, 3, length, slots[0])
        with torch.no_grad():
            encoded = network.encode(torch.from_numpy(histories.items).repeat_interleave(3, dim=0))
            codes = prefix.flatten(0, 1) + network.offsets[list(slots[:length])]
            states = network.decode(network.started(codes), *encoded, use_cache=False)[:, -1]
            whole = network.logits(states).log_softmax(-1).unflatten(0, (-1, 3))
        first, last = given.space.offsets[slot : slot + 2]
        answer = context.next_log_probs(prefix)[..., : last - first]
        torch.testing.assert_close(answer, whole[..., first:last], atol=1e-5, rtol=0)


def test_the_history_is_read_once(chain) -> None:
    given = task(chain())
    network = untrained(Tiger, given)
    calls = {"encoder": 0, "keys of it": 0}

    def count(name: str) -> Any:
        return lambda *_: calls.__setitem__(name, calls[name] + 1)

    network.t5.encoder.register_forward_hook(count("encoder"))
    for block in network.t5.decoder.block:
        block.layer[1].EncDecAttention.k.register_forward_hook(count("keys of it"))
    context = network.begin(given.data.test().histories, (0, 1, 2, 3))
    for length in range(4):
        context.next_log_probs(prefixes(given.space, 60, 5, length))
    assert calls == {"encoder": 1, "keys of it": len(network.t5.decoder.block)}


def test_padding_never_changes_an_answer(chain) -> None:
    given = task(chain())
    network, histories = untrained(Tiger, given), given.data.test().histories
    short = histories[np.flatnonzero((histories.items[:, :4] < 0).all(axis=1))]
    assert len(short) > 5
    prefix = prefixes(given.space, len(short), 2, 2)
    answer = network.begin(short, (0, 1, 2, 3)).next_log_probs(prefix)
    cut = network.begin(Histories(short.items[:, 4:], short.users), (0, 1, 2, 3)).next_log_probs(prefix)
    torch.testing.assert_close(answer, cut, atol=1e-5, rtol=0)


def test_small_is_the_papers_configuration(chain) -> None:
    config = Tiger()._network(task(chain(), size="small")).t5.config
    names = ("d_model", "d_ff", "d_kv", "num_heads", "num_layers", "num_decoder_layers")
    assert [getattr(config, name) for name in names] == [128, 1024, 64, 6, 4, 4]
    assert set(SHAPES) == set(Tiger.sizes)
    at = Tiger().with_size_defaults("small")
    assert (at.lr, at.batch, at.epochs) == (1e-3, 1024, 200)
