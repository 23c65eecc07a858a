"""Blocks from left to right: against the reference, and one block against the any-order decoders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from mindrec_bench.errors import UsageError
from mindrec_bench.plugins import registry
from mindrec_bench.testing import DecodingProblem, check_decoder
from mindrec_decoders.block_m import BlockM
from mindrec_decoders.bs import BeamSearch
from mindrec_decoders.dbs_dedup import DbsDedup
from mindrec_decoders.dbs_penalty import DbsPenalty

from .problems import assert_row, cases
from .reference import NearTieError
from .step_reference import RULES, joint, step_search

PRESETS = {"bs": BeamSearch, "dbs-dedup": DbsDedup, "dbs-penalty": DbsPenalty}


def reference_results(case: DecodingProblem, user: int, m: int, prune: str, beam: int):
    def sid_steps(log_probs, slots):
        blocks = [slots[first : first + m] for first in range(0, len(slots), m)]
        return [joint(log_probs, block, 1) for block in blocks for _ in block]

    return step_search(case, user, sid_steps, RULES[prune], beam=beam)


@pytest.mark.parametrize("m", [1, 2, 4])
@given(case=cases(), beam=st.sampled_from([1, 2, 3, 10]), prune=st.sampled_from(sorted(RULES)))
def test_against_the_reference(m, case, beam, prune):
    try:
        expected = [reference_results(case, user, m, prune, beam) for user in range(2)]
    except NearTieError:
        assume(False)
    ranking = case.decode(BlockM(m=m, prune=prune), np.arange(2), beam=beam)
    for user in range(2):
        assert_row(ranking, user, expected[user])


@pytest.mark.parametrize("prune", sorted(RULES))
@given(case=cases(), beam=st.sampled_from([1, 3, 10]), propose=st.sampled_from(["top", "sample"]))
def test_one_block_equals_any_order(prune, case, beam, propose):
    block_m = case.decode(BlockM(m=4, prune=prune, propose=propose), np.arange(2), beam=beam)
    any_order = case.decode(PRESETS[prune](propose=propose), np.arange(2), beam=beam)
    assert torch.equal(block_m.codes, any_order.codes)
    assert torch.equal(block_m.scores, any_order.scores)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param("m=1", marks=pytest.mark.slow),
        pytest.param("m=2", marks=pytest.mark.slow),
        "m=2,propose=sample,prune=dbs-dedup",
        pytest.param("m=4,prune=bs", marks=pytest.mark.slow),
    ],
)
def test_conforms(spec):
    check_decoder(registry.make("decoder", f"block-m:{spec}")[1])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("block-m", r"needs the option 'm'; write block-m:m=\.\.\. \(allowed: 1, 2, 4\)$"),
        ("block-m:m=3", "allowed: 1, 2, 4"),
        ("block-m:m=0", "allowed: 1, 2, 4"),
        ("block-m:m=2,prune=none", "allowed: bs, dbs-dedup, dbs-penalty"),
        ("block-m:n=2", "no option 'n'"),
    ],
)
def test_options_are_closed(spec, message):
    with pytest.raises(UsageError, match=message):
        registry.make("decoder", spec)
