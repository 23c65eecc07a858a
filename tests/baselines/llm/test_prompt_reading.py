"""Published LLaDA with prompts that are read at every r-th step: what each step reads, and what the others use."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import DynamicCache

from mindrec_baselines.llm import text_denoiser
from mindrec_baselines.llm.text_denoiser import TextDenoiser, TextDenoiserContext
from mindrec_bench.core.dataset import Histories
from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.testing import make_canvas
from mindrec_decoders.dbs_dedup import DbsDedup
from mindrec_decoders.dbs_penalty import DbsPenalty

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
    return Histories(np.array([[-1, -1, -1, 7], [3, 4, 5, 6], [-1, -1, 20, 21]]), np.arange(3))


def begin(network, refresh: int, histories: Histories = histories(), **options) -> TextDenoiserContext:  # noqa: B008
    return TextDenoiser(network.lora, network.encoder, refresh=refresh, **options).eval().begin(histories, SLOTS)


def canvases(*beams: dict[int, int]) -> torch.Tensor:
    """Of three users alike: for each beam, slot -> code."""
    revealed = masked(3, len(beams), 6)
    for beam, codes in enumerate(beams):
        for slot, code in codes.items():
            revealed[:, beam, slot] = code
    return revealed


STEPS = [
    canvases({}),
    canvases({1: 0}, {1: 1}),
    canvases({1: 1, 0: 0}, {1: 0, 3: 1}, {1: 1, 3: 0}),
    canvases({1: 1, 0: 0, 2: 1}, {1: 1, 3: 0, 2: 1}, {1: 0, 3: 1, 2: 1}),
]
"""A search whose beams are reordered, repeated and dropped."""


@pytest.fixture
def read(monkeypatch) -> list[tuple[int, int]]:
    """(sequences, positions) of each pass through the blocks."""
    passes, encode = [], TextDenoiser.encode

    def recording(self, token_ids, **options):
        passes.append(tuple(token_ids.shape))
        return encode(self, token_ids, **options)

    monkeypatch.setattr(TextDenoiser, "encode", recording)
    return passes


@pytest.mark.parametrize("refresh", [0, 1])
def test_prompts_that_are_read_at_every_step_are_read_whole(network, read, refresh: int) -> None:
    exact, context = network.begin(histories(), SLOTS), begin(network, refresh)
    for revealed in STEPS:
        assert torch.equal(context.log_probs(revealed, SLOTS), exact.log_probs(revealed, SLOTS))
    assert not context.latest
    assert {positions for _, positions in read} == {context.prompt_ids.shape[1] + len(context.layout.token_ids)}


@pytest.mark.parametrize("refresh", [2, 3, 9])
def test_prompts_are_read_at_every_rth_step(network, space, read, refresh: int) -> None:
    context = begin(network, refresh)
    DbsDedup().decode(context, make_canvas(space, histories().users), beam=5)
    prompt, target = context.prompt_ids.shape[1], len(context.layout.token_ids)
    beams = [1, 5, 5, 5, 5, 5]
    expected = [(3 * n, prompt + target) if step % refresh == 0 else (3, n * target) for step, n in enumerate(beams)]
    assert read == expected


def expected_states(context: TextDenoiserContext, read_as: torch.Tensor, revealed: torch.Tensor) -> torch.Tensor:
    """Last hidden states of one beam's target after the prompt as it was read beside another canvas, one user at once.

    Shapes: (3, 6), (3, 6) -> (3, m, hidden)
    """
    network, n = context.network, context.prompt_ids.shape[1]
    ids = [network.target_ids(context.layout, codes, context.slots) for codes in (read_as, revealed)]
    states = []
    for user in range(3):
        prompt, mask = context.prompt_ids[user : user + 1], context.attention_mask[user : user + 1]
        cache = DynamicCache()
        network.target_states(prompt, mask, ids[0][user : user + 1], cache)
        cache.crop(n - cache.get_seq_length())
        length = int(mask.sum())
        target = ids[1][user : user + 1]
        attended = torch.cat([mask, mask.new_ones(target.shape)], dim=1)
        position_ids = length + torch.arange(target.shape[1])[None]
        mask = attended[:, None, None].expand(-1, 1, target.shape[1], -1)
        states.append(network.encode(target, mask=mask, position_ids=position_ids, cache=cache))
    return torch.cat(states)


@pytest.mark.parametrize("batch_tokens", [10**6, 1])
def test_a_step_between_attends_to_the_prompt_as_its_ancestor_read_it(network, monkeypatch, batch_tokens) -> None:
    """With users in one part or in many."""
    monkeypatch.setattr(text_denoiser, "BATCH_TOKENS", batch_tokens)
    exact, context = network.begin(histories(), SLOTS), begin(network, 2)
    once, stale, fresh, last = (context.log_probs(revealed, SLOTS) for revealed in STEPS)
    for number, log_probs in ((0, once), (2, fresh)):
        torch.testing.assert_close(log_probs, exact.log_probs(STEPS[number], SLOTS), rtol=0, atol=1e-5)
    gap = (stale - exact.log_probs(STEPS[1], SLOTS))[stale.isfinite()].abs().max()
    assert 1e-4 < gap < 1
    ancestors = {1: [0, 0], 3: [0, 2, 1]}  # of each beam, among those of the step before
    with torch.no_grad():
        for number, log_probs in ((1, stale), (3, last)):
            for beam, ancestor in enumerate(ancestors[number]):
                states = expected_states(context, STEPS[number - 1][:, ancestor], STEPS[number][:, beam])
                slot_states = torch.stack([states[:, position] for position in context.layout.slot_positions], dim=1)
                expected = context.network.slot_log_probs(slot_states, context.slot_token_ids)
                torch.testing.assert_close(log_probs[:, beam], expected, rtol=0, atol=1e-5)


def test_calls_out_of_order_are_exact(network) -> None:
    exact, context = network.begin(histories(), SLOTS), begin(network, 9)
    for revealed in reversed(STEPS):  # none is a later step of the one before
        torch.testing.assert_close(
            context.log_probs(revealed, SLOTS), exact.log_probs(revealed, SLOTS), rtol=0, atol=1e-5
        )


def test_padding_that_is_attended_to_is_read_with_the_prompt(network) -> None:
    attending = TextDenoiser(network.lora, network.encoder, attend_pads=True).eval().begin(histories(), SLOTS)
    released, context = begin(network, 2, attend_pads=True), begin(network, 2)
    for revealed in STEPS[:2]:
        assert not torch.allclose(
            released.log_probs(revealed, SLOTS)[..., 0], context.log_probs(revealed, SLOTS)[..., 0], atol=1e-4
        )
    exact = attending.log_probs(STEPS[0], SLOTS)
    torch.testing.assert_close(released.latest[0].codes, STEPS[0])
    released.latest.clear()
    assert torch.equal(released.log_probs(STEPS[0], SLOTS), exact)


def test_keys_and_values_are_kept_once_for_each_reading(network) -> None:
    context = begin(network, 2)
    sizes = []
    for revealed in STEPS:
        context.log_probs(revealed, SLOTS)
        assert len(context.latest) == 1
        sizes.append([keys.shape[2] // context.prompt_ids.shape[1] for keys, _ in context.latest[0].keys_values])
    assert sizes == [[1, 1], [1, 1], [3, 3], [3, 3]]
    assert all(tensor.shape[0] == 3 for layer in context.latest[0].keys_values for tensor in layer)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 61 * 168), ({"refresh": 7}, 168 + 60 * 9), ({"attention": "prefix"}, 159 + 61 * 9)],
    ids=["full", "refresh", "prefix"],
)
def test_counted_positions_of_the_published_shape(tmp_path, read, options, expected: int) -> None:
    """Prompts of 159 tokens, targets of 9, 7 slots, a beam of 10: 14.5 times fewer positions, counted and not timed."""
    data = ArtsSim(users=20, items=200).load(None, users=None)
    space, history = data.space(categories=True), data.test().histories[:1]
    slots = tuple(range(space.n_slots))
    shorter = make_network(tmp_path / "1", "llada", space, templates=("{history}",)).begin(history, slots)
    template = "x" * (159 - shorter.prompt_ids.shape[1]) + "{history}"
    network = make_network(tmp_path / "2", "llada", space, templates=(template,))
    read.clear()
    context = TextDenoiser(network.lora, network.encoder, **options).eval().begin(history, slots)
    assert (context.prompt_ids.shape[1], len(context.layout.token_ids), len(slots)) == (159, 9, 7)
    DbsPenalty().decode(context, make_canvas(space, history.users), beam=10)
    assert sum(sequences * positions for sequences, positions in read) == expected
    assert 61 * 168 / expected in (1, pytest.approx(14.5, abs=0.03))
