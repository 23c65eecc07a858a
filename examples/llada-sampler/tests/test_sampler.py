"""The sampler meets the decoder contract, and draws from the model's probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from llada_sampler import LladaSampler
from llada_sampler.sampling import draw_samples

from mindrec_bench.core.dataset import Histories
from mindrec_bench.testing import DecodingProblem, TabularDenoiser, catalogue_model, check_decoder, random_space

SIZES = (3, 4, 2, 3)
SPACE = random_space(SIZES, 12, seed=1)
TABLES = DecodingProblem("tables", SPACE, TabularDenoiser.random(SIZES, users=2, seed=3), "denoiser")


@pytest.mark.parametrize(
    "options", [{}, {"n": 2}, {"n": 9, "temperature": 0.5}, {"temperature": 0.0}, {"samples": 3}], ids=str
)
def test_conforms(options):
    check_decoder(LladaSampler(**options))


def sampled(n, temperature, n_samples, seed=42):
    canvas = TABLES.canvas(np.array([0]), seed=seed)
    context = TABLES.model.begin(Histories(np.full((1, 1), -1), np.array([0])), (0, 1, 2, 3))
    samples = draw_samples(context, canvas, n=n, temperature=temperature, n_samples=n_samples)
    return samples.codes, samples.scores


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_the_first_codes_are_drawn_from_the_tempered_probabilities(temperature):
    """With n = 4 one step fills all slots, each by its own distribution where nothing is revealed."""
    codes, scores = sampled(4, temperature, 20_000)
    table = TABLES.model.table[0, 0]
    expected = (table / temperature).softmax(dim=-1)
    for slot, size in enumerate(SIZES):
        counts = torch.bincount(codes[0, :, slot], minlength=4)
        assert torch.allclose(counts.double() / 20_000, expected[slot], atol=4 * 0.5 / math.sqrt(20_000))
        assert counts[size:].sum() == 0
    expected_scores = sum(table[slot, codes[0, :, slot]] for slot in range(4))
    assert torch.allclose(scores[0], expected_scores)


def test_temperature_0_is_the_greedy_path():
    codes, score = [-1] * 4, 0.0
    for _ in SIZES:
        state = 0
        for code, size in zip(codes, SIZES, strict=True):
            state = state * (size + 1) + code + 1
        table = TABLES.model.table[0, state].clone()
        table[[slot for slot, code in enumerate(codes) if code >= 0]] = -torch.inf
        slot, code = divmod(int(table.argmax()), table.shape[1])
        codes[slot], score = code, score + float(table[slot, code])
    ranking = TABLES.decode(LladaSampler(temperature=0.0), np.array([0]), beam=3)
    assert ranking.lengths.tolist() == [1]
    assert ranking.codes[0, 0].tolist() == codes
    assert float(ranking.scores[0, 0]) == pytest.approx(score)


def test_samples_do_not_depend_on_how_many_there_are_but_on_the_seed():
    few, many, other = sampled(2, 1.0, 5)[0], sampled(2, 1.0, 50)[0], sampled(2, 1.0, 50, seed=1)[0]
    assert torch.equal(few, many[:, :5])
    assert not torch.equal(many, other)


def test_enough_samples_find_every_sequence_once():
    """On a consistent model a sequence's score is its probability, whatever the order."""
    space = random_space((2, 2, 2), 6, seed=2)
    probs = np.arange(1.0, 7.0)[None]
    case = DecodingProblem("six items", space, catalogue_model(probs), "items", catalogue=True)
    ranking = case.decode(LladaSampler(samples=2000), np.array([0]), beam=8)
    prob_of: dict[tuple[int, ...], float] = {}
    for row, prob in zip(space.item_codes.tolist(), probs[0] / probs.sum(), strict=True):
        prob_of[tuple(row)] = prob_of.get(tuple(row), 0.0) + prob
    n_results = int(ranking.lengths)
    results = zip(
        map(tuple, ranking.codes[0, :n_results].tolist()), ranking.scores[0, :n_results].exp().tolist(), strict=True
    )
    assert dict(results) == pytest.approx(prob_of)
    assert n_results == len(prob_of)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n is 0; it must be 1 or more"),
        ({"temperature": -0.1}, "temperature is -0.1; it must be 0 or more"),
        ({"samples": 0}, "samples is 0; it must be 1 or more, or none for as many as the beam"),
    ],
    ids=str,
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        LladaSampler(**options)


def test_users_with_different_slots_given():
    case = DecodingProblem(
        "mixed", SPACE, TABLES.model, "denoiser", start=np.array([[-1, -1, -1, -1], [0, -1, -1, -1]])
    )
    with pytest.raises(ValueError, match="must have the same slots revealed"):
        case.decode(LladaSampler(), np.array([0, 1]), beam=2)
