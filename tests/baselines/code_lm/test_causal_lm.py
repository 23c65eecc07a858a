"""The causal network of `llama3` and `qwen2.5`: its cache, its padding, its positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mindrec_baselines.code_lm.causal_lm import PROMPT, causal_mask
from mindrec_baselines.code_lm.llama_blocks import LlamaBlocks
from mindrec_baselines.llama3 import Llama3
from mindrec_baselines.qwen2_5 import Qwen25

from ..causal import prefixes, task, untrained

SLOTS = (0, 1, 2, 3, 4, 5)
both = pytest.mark.parametrize("backbone", [Llama3, Qwen25])


@pytest.fixture
def read(monkeypatch) -> list[tuple[tuple[int, ...], list[int]]]:
    """What goes through the blocks of a context: users and positions, and the numbers of these."""
    read: list[tuple[tuple[int, ...], list[int]]] = []
    write = LlamaBlocks.write

    def watched(self: LlamaBlocks, states: torch.Tensor, positions: torch.Tensor, *rest: Any) -> Any:
        read.append((tuple(states.shape[:2]), positions.tolist()))
        return write(self, states, positions, *rest)

    monkeypatch.setattr(LlamaBlocks, "write", watched)
    return read


def without_cache(network: Any, items: torch.Tensor, prefix: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of the whole vocabulary after each beam, from one whole sequence a beam."""
    beams, length = prefix.shape[1:]
    prompt, seen = network.prompt(items.repeat_interleave(beams, dim=0))
    codes = prefix.flatten(0, 1) + network.offsets[slots[:length]]
    inputs = torch.cat([prompt, network.embedding(codes)], dim=1)
    seen = torch.cat([seen, torch.ones_like(codes, dtype=torch.bool)], dim=1)
    positions = torch.cat([torch.arange(PROMPT), PROMPT + slots[:length]])
    states = network.run(inputs, mask=causal_mask(seen), positions=positions)[:, -1]
    return network.logits(states).log_softmax(-1).unflatten(0, (-1, beams))


@both
@pytest.mark.parametrize("slots", [SLOTS, (2, 3, 4, 5)], ids=["generate", "history"])
def test_cached_answers_equal_those_of_whole_sequences(chain, backbone: Any, slots: tuple[int, ...]) -> None:
    given = task(chain(), categories=True)
    network, histories = untrained(backbone, given), given.data.test().histories
    context = network.begin(histories, slots)
    for length, slot in enumerate(slots):
        prefix = prefixes(given.space, 60, 3, length, slots[0])
        with torch.no_grad():
            whole = without_cache(network, torch.from_numpy(histories.items), prefix, torch.tensor(slots))
        first, last = given.space.offsets[slot : slot + 2]
        answer = context.next_log_probs(prefix)[..., : last - first]
        torch.testing.assert_close(answer, whole[..., first:last], atol=1e-5, rtol=0)


@both
def test_the_history_is_read_once(chain, read, backbone: Any) -> None:
    given = task(chain())
    network = untrained(backbone, given)
    context = network.begin(given.data.test().histories, (0, 1, 2, 3))
    for length in range(4):
        context.next_log_probs(prefixes(given.space, 60, 5, length))
    assert [shape for shape, _ in read] == [(60, PROMPT), (60, 5 * 1), (60, 5 * 2), (60, 5 * 3)]


def test_histories_are_cut_to_the_longest(chain, read) -> None:
    given = task(chain())
    network, histories = untrained(Llama3, given), given.data.test().histories
    prefix = prefixes(given.space, 60, 2, 1)
    lengths = (histories.items >= 0).sum(axis=1)
    short = np.flatnonzero(lengths == lengths.min())
    answer = network.begin(histories[short], (0, 1, 2, 3)).next_log_probs(prefix[short])
    assert read[0] == ((len(short), lengths.min() + 1), list(range(PROMPT - 1 - lengths.min(), PROMPT)))
    whole = network.begin(histories, (0, 1, 2, 3)).next_log_probs(prefix)
    assert read[2][0] == (60, PROMPT)
    torch.testing.assert_close(answer, whole[short], atol=1e-5, rtol=0)


@both
def test_an_answer_depends_on_all_earlier_codes_and_items(chain, backbone: Any) -> None:
    given = task(chain())
    network, histories = untrained(backbone, given), given.data.test().histories
    full = histories[np.flatnonzero((histories.items >= 0).all(axis=1))]
    prefix = prefixes(given.space, len(full), 1, 3)
    answer = network.begin(full, (0, 1, 2, 3)).next_log_probs(prefix)
    for slot, size in enumerate(given.space.sizes[:3]):
        other = prefix.clone()
        other[:, :, slot] = (other[:, :, slot] + 1) % size
        changed = network.begin(full, (0, 1, 2, 3)).next_log_probs(other)
        assert (answer != changed).any(dim=-1).all()
    for place in range(10):
        items = full.items.copy()
        items[:, place] = (items[:, place] + 1) % 24
        context = network.begin(type(full)(items, full.users), (0, 1, 2, 3))
        assert (context.next_log_probs(prefix) != answer).any(dim=-1).all()


@both
def test_padding_never_changes_an_answer(chain, backbone: Any, monkeypatch) -> None:
    given = task(chain())
    network, histories = untrained(backbone, given), given.data.test().histories
    short = histories[np.flatnonzero((histories.items < 0).any(axis=1))]
    assert len(short) > 10
    prefix = prefixes(given.space, len(short), 2, 2)
    answer = network.begin(short, (0, 1, 2, 3)).next_log_probs(prefix)
    embed = network.embed_items

    def garbage(items: torch.Tensor) -> torch.Tensor:
        vectors = embed(items)
        return torch.where((items >= 0)[..., None], vectors, torch.randn_like(vectors) * 50)

    monkeypatch.setattr(network, "embed_items", garbage)
    assert torch.equal(answer, network.begin(short, (0, 1, 2, 3)).next_log_probs(prefix))


def test_codes_keep_their_position_when_categories_are_left_out(chain, read) -> None:
    given = task(chain(), categories=True)
    network = untrained(Llama3, given)
    histories = given.data.test().histories
    histories = histories[np.flatnonzero((histories.items >= 0).all(axis=1))[:3]]
    network.begin(histories, (2, 3, 4, 5)).next_log_probs(prefixes(given.space, 3, 2, 2, first=2))
    network.begin(histories, SLOTS).next_log_probs(prefixes(given.space, 3, 1, 4))
    prompt = list(range(PROMPT))
    first, second = PROMPT + 2, PROMPT + 3
    seen = [numbers for _, numbers in read]
    assert seen == [prompt, [first, second, first, second], prompt, [PROMPT, PROMPT + 1, first, second]]


def test_a_position_sees_itself_and_what_is_before_it_but_no_padding() -> None:
    mask = causal_mask(torch.tensor([[False, False, True, True]]))[0, 0]
    assert mask.int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]]


@both
def test_a_search_reads_only_the_last_code_of_each_beam(chain, read, backbone: Any) -> None:
    """Beams change places, share parents and multiply, as in a search."""
    given = task(chain(), categories=True)
    network, histories = untrained(backbone, given), given.data.test().histories
    items = torch.from_numpy(histories.items)
    context = network.begin(histories, SLOTS)
    generator = torch.Generator().manual_seed(0)
    prefix, cached, wanted = torch.empty(60, 1, 0, dtype=torch.long), [], []
    for slot, beams in enumerate((2, 3, 3, 3)):
        parent = torch.randint(prefix.shape[1], (60, beams, 1), generator=generator)
        code = torch.randint(given.space.sizes[slot], (60, beams, 1), generator=generator)
        prefix = torch.cat([prefix.gather(1, parent.expand(-1, -1, slot)), code], dim=2)
        first, last = given.space.offsets[slot + 1 : slot + 3]
        cached.append(context.next_log_probs(prefix)[..., : last - first])
        with torch.no_grad():
            wanted.append(without_cache(network, items, prefix, torch.tensor(SLOTS))[..., first:last])
    assert [shape for shape, _ in read] == [(60, n) for n in (PROMPT, 2, 3, 3, 3)]
    for ours, plain in zip(cached, wanted, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-5, rtol=0)
