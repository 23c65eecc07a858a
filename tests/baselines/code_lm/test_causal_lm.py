"""The causal network of `llama3` and `qwen2.5`: cache, padding, positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mindrec_baselines.code_lm.causal_lm import PROMPT_LENGTH, causal_mask
from mindrec_baselines.code_lm.llama_blocks import LlamaBlocks
from mindrec_baselines.llama3 import Llama3
from mindrec_baselines.qwen2_5 import Qwen25
from mindrec_bench.core.dataset import Histories

from ..causal import prefixes, task, untrained

SLOTS = (0, 1, 2, 3, 4, 5)
both_backbones = pytest.mark.parametrize("backbone", [Llama3, Qwen25])


@pytest.fixture
def computed(monkeypatch) -> list[tuple[tuple[int, ...], list[int]]]:
    """What a context computes: (users, positions) and the position ids of each call of the blocks."""
    calls: list[tuple[tuple[int, ...], list[int]]] = []
    extend = LlamaBlocks.extend

    def recording(self: LlamaBlocks, states: torch.Tensor, position_ids: torch.Tensor, *args: Any) -> Any:
        calls.append((tuple(states.shape[:2]), position_ids.tolist()))
        return extend(self, states, position_ids, *args)

    monkeypatch.setattr(LlamaBlocks, "extend", recording)
    return calls


def without_cache(network: Any, items: torch.Tensor, prefix: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of the whole vocabulary after each beam, from one whole sequence per beam."""
    beams, length = prefix.shape[1:]
    prompt, attention_mask = network.embed_prompt(items.repeat_interleave(beams, dim=0))
    token_ids = prefix.flatten(0, 1) + network.offsets[slots[:length]]
    inputs = torch.cat([prompt, network.embedding(token_ids)], dim=1)
    attention_mask = torch.cat([attention_mask, torch.ones_like(token_ids, dtype=torch.bool)], dim=1)
    position_ids = torch.cat([torch.arange(PROMPT_LENGTH), PROMPT_LENGTH + slots[:length]])
    states = network.encode(inputs, mask=causal_mask(attention_mask), position_ids=position_ids)[:, -1]
    return network.logits(states).log_softmax(-1).unflatten(0, (-1, beams))


@both_backbones
@pytest.mark.parametrize("slots", [SLOTS, (2, 3, 4, 5)], ids=["generate", "history"])
def test_cached_log_probs_equal_those_of_whole_sequences(chain, backbone: Any, slots: tuple[int, ...]) -> None:
    chain_task = task(chain(), categories=True)
    network, histories = untrained(backbone, chain_task), chain_task.data.test().histories
    context = network.begin(histories, slots)
    for length, slot in enumerate(slots):
        prefix = prefixes(chain_task.space, 60, 3, length, slots[0])
        with torch.no_grad():
            whole = without_cache(network, torch.from_numpy(histories.items), prefix, torch.tensor(slots))
        first, last = chain_task.space.offsets[slot : slot + 2]
        log_probs = context.next_log_probs(prefix)[..., : last - first]
        torch.testing.assert_close(log_probs, whole[..., first:last], atol=1e-5, rtol=0)


@both_backbones
def test_the_history_is_computed_once(chain, computed, backbone: Any) -> None:
    chain_task = task(chain())
    network = untrained(backbone, chain_task)
    context = network.begin(chain_task.data.test().histories, (0, 1, 2, 3))
    for length in range(4):
        context.next_log_probs(prefixes(chain_task.space, 60, 5, length))
    assert [shape for shape, _ in computed] == [(60, PROMPT_LENGTH), (60, 5 * 1), (60, 5 * 2), (60, 5 * 3)]


def test_histories_are_cut_to_the_longest_of_the_batch(chain, computed) -> None:
    chain_task = task(chain())
    network, histories = untrained(Llama3, chain_task), chain_task.data.test().histories
    prefix = prefixes(chain_task.space, 60, 2, 1)
    lengths = (histories.items >= 0).sum(axis=1)
    short = np.flatnonzero(lengths == lengths.min())
    log_probs = network.begin(histories[short], (0, 1, 2, 3)).next_log_probs(prefix[short])
    assert computed[0] == (
        (len(short), lengths.min() + 1),
        list(range(PROMPT_LENGTH - 1 - lengths.min(), PROMPT_LENGTH)),
    )
    whole = network.begin(histories, (0, 1, 2, 3)).next_log_probs(prefix)
    assert computed[2][0] == (60, PROMPT_LENGTH)
    torch.testing.assert_close(log_probs, whole[short], atol=1e-5, rtol=0)


@both_backbones
def test_log_probs_depend_on_all_earlier_codes_and_items(chain, backbone: Any) -> None:
    chain_task = task(chain())
    network, histories = untrained(backbone, chain_task), chain_task.data.test().histories
    full = histories[np.flatnonzero((histories.items >= 0).all(axis=1))]
    prefix = prefixes(chain_task.space, len(full), 1, 3)
    log_probs = network.begin(full, (0, 1, 2, 3)).next_log_probs(prefix)
    for slot, size in enumerate(chain_task.space.sizes[:3]):
        other = prefix.clone()
        other[:, :, slot] = (other[:, :, slot] + 1) % size
        changed = network.begin(full, (0, 1, 2, 3)).next_log_probs(other)
        assert (log_probs != changed).any(dim=-1).all()
    for position in range(10):
        items = full.items.copy()
        items[:, position] = (items[:, position] + 1) % 24
        context = network.begin(type(full)(items, full.users), (0, 1, 2, 3))
        assert (context.next_log_probs(prefix) != log_probs).any(dim=-1).all()


@both_backbones
def test_padding_changes_no_log_prob(chain, backbone: Any, monkeypatch) -> None:
    chain_task = task(chain())
    network, histories = untrained(backbone, chain_task), chain_task.data.test().histories
    short = histories[np.flatnonzero((histories.items < 0).any(axis=1))]
    assert len(short) > 10
    prefix = prefixes(chain_task.space, len(short), 2, 2)
    log_probs = network.begin(short, (0, 1, 2, 3)).next_log_probs(prefix)
    embed = network.embed_items

    def garbage(items: torch.Tensor) -> torch.Tensor:
        vectors = embed(items)
        return torch.where((items >= 0)[..., None], vectors, torch.randn_like(vectors) * 50)

    monkeypatch.setattr(network, "embed_items", garbage)
    assert torch.equal(log_probs, network.begin(short, (0, 1, 2, 3)).next_log_probs(prefix))


def test_codes_keep_their_position_when_categories_are_left_out(chain, computed) -> None:
    chain_task = task(chain(), categories=True)
    network = untrained(Llama3, chain_task)
    histories = chain_task.data.test().histories
    histories = histories[np.flatnonzero((histories.items >= 0).all(axis=1))[:3]]
    network.begin(histories, (2, 3, 4, 5)).next_log_probs(prefixes(chain_task.space, 3, 2, 2, first=2))
    network.begin(histories, SLOTS).next_log_probs(prefixes(chain_task.space, 3, 1, 4))
    prompt_ids = list(range(PROMPT_LENGTH))
    first, second = PROMPT_LENGTH + 2, PROMPT_LENGTH + 3
    assert [position_ids for _, position_ids in computed] == [
        prompt_ids,
        [first, second, first, second],
        prompt_ids,
        [PROMPT_LENGTH, PROMPT_LENGTH + 1, first, second],
    ]


def test_a_position_attends_to_itself_and_to_earlier_ones_that_are_not_padding() -> None:
    mask = causal_mask(torch.tensor([[False, False, True, True]]))[0, 0]
    assert mask.int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]


@both_backbones
def test_a_search_computes_only_the_last_code_of_each_beam(chain, computed, backbone: Any) -> None:
    """Beams are reordered, dropped and repeated, as in a search."""
    chain_task = task(chain(), categories=True)
    network, histories = untrained(backbone, chain_task), chain_task.data.test().histories
    items = torch.from_numpy(histories.items)
    context = network.begin(histories, SLOTS)
    generator = torch.Generator().manual_seed(0)
    prefix, cached, expected = torch.empty(60, 1, 0, dtype=torch.long), [], []
    for slot, beams in enumerate((2, 3, 3, 3)):
        parent = torch.randint(prefix.shape[1], (60, beams, 1), generator=generator)
        code = torch.randint(chain_task.space.sizes[slot], (60, beams, 1), generator=generator)
        prefix = torch.cat([prefix.gather(1, parent.expand(-1, -1, slot)), code], dim=2)
        first, last = chain_task.space.offsets[slot + 1 : slot + 3]
        cached.append(context.next_log_probs(prefix)[..., : last - first])
        with torch.no_grad():
            expected.append(without_cache(network, items, prefix, torch.tensor(SLOTS))[..., first:last])
    assert [shape for shape, _ in computed] == [(60, n) for n in (PROMPT_LENGTH, 2, 3, 3, 3)]
    for log_probs, whole in zip(cached, expected, strict=True):
        torch.testing.assert_close(log_probs, whole, atol=1e-5, rtol=0)


@both_backbones
@pytest.mark.parametrize("length", [7, 14])
def test_the_length_of_histories_does_not_matter(chain, backbone: Any, length: int) -> None:
    """What is left of the items is padding; positions count from there, and only their differences matter."""
    chain_task = task(chain(), categories=True)
    network, test = untrained(backbone, chain_task), chain_task.data.test().histories
    contexts = []
    for width in (10, length):
        items = np.full((60, width), -1)
        items[:, -6:] = test.items[:60, -6:]
        contexts.append(network.begin(Histories(items, test.users[:60]), SLOTS))
    for n_known in range(len(SLOTS)):
        prefix = prefixes(chain_task.space, 60, 3, n_known, 0)
        first, second = (context.next_log_probs(prefix) for context in contexts)
        torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
