"""Left to right: equal to block-m with m = 1, and exact with a wide beam."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mindrec_bench.core.code_space import MASK
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins import registry
from mindrec_bench.testing import DecodingProblem, TabularDenoiser, check_decoder, random_space
from mindrec_decoders.ar_beam import ArBeam
from mindrec_decoders.block_m import BlockM

from .problems import assert_row, cases, log_probs_of


@given(case=cases(), beam=st.sampled_from([1, 2, 3, 10]), normalise=st.sampled_from(["vocabulary", "slot"]))
def test_on_a_masked_model_it_equals_block_m_of_1(case, beam, normalise):
    ar_beam = case.decode(ArBeam(normalise=normalise), np.arange(2), beam=beam)
    block_m = case.decode(BlockM(m=1, prune="bs", normalise=normalise), np.arange(2), beam=beam)
    assert torch.equal(ar_beam.codes, block_m.codes)
    assert torch.equal(ar_beam.scores, block_m.scores)


@pytest.mark.parametrize("catalogue", [False, True])
def test_a_wide_beam_ranks_all_sequences(catalogue):
    sizes = (3, 2, 3)
    case = DecodingProblem("tables", random_space(sizes, 6, seed=1), TabularDenoiser.random(sizes, seed=2), "denoiser")
    case = replace(case, catalogue=catalogue)
    log_probs = log_probs_of(case, 0)
    items = set(map(tuple, case.space.item_codes.tolist()))
    sequences = []
    for codes in itertools.product(*(range(size) for size in sizes)):
        score = sum(log_probs((*codes[:slot], *(MASK,) * (3 - slot)), slot)[codes[slot]] for slot in range(3))
        if not catalogue or codes in items:
            sequences.append((codes, score))
    ranking = case.decode(ArBeam(), np.array([0]), beam=20)
    assert_row(ranking, 0, sorted(sequences, key=lambda entry: -entry[1]))


def test_given_categories_are_the_prefix_and_cost_no_pass():
    """The model predicts slots 1 and 2 only, after the given code."""
    prefixes = []

    class Causal:
        def next_log_probs(self, prefix):
            prefixes.append(prefix[:, 0].tolist())
            return torch.full((*prefix.shape[:2], 2), 0.5, dtype=torch.float64).log()

    space = random_space((2, 2, 2), 4, n_categories=1)
    start = np.array([[1, MASK, MASK], [0, MASK, MASK]])
    case = DecodingProblem("given", space, TabularDenoiser.random((2, 2, 2)), "denoiser", start)
    ranking = ArBeam().decode(Causal(), case.canvas(np.arange(2)), beam=2)
    assert prefixes == [[[1], [0]], [[1, 0], [0, 0]]]
    assert ranking.codes.tolist() == [[[1, 0, 0], [1, 0, 1]], [[0, 0, 0], [0, 0, 1]]]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("", marks=pytest.mark.slow),
        "normalise=slot",
    ],
)
def test_conforms(spec):
    check_decoder(registry.make("decoder", f"ar-beam:{spec}")[1])


def test_options_are_closed():
    with pytest.raises(UsageError, match="no option 'prune'"):
        registry.make("decoder", "ar-beam:prune=bs")
