"""`llama3` is LlamaForCausalLM of transformers with the history as its prompt."""

from __future__ import annotations

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from mindrec_baselines.llama3 import Llama3

from .causal import ar_beam, assert_same, generated, prompt, task, untrained, with_head


@pytest.mark.parametrize("catalogue", [False, True], ids=["slots", "catalogue"])
@pytest.mark.parametrize("categories", [False, True])
def test_beam_search_equals_generate(chain, categories: bool, catalogue: bool) -> None:
    given = task(chain(users=20), categories=categories)
    network = untrained(Llama3, given)
    model = with_head(LlamaForCausalLM, LlamaConfig, network)
    theirs = generated(model, given, prompt(network, given), catalogue=catalogue, skip=0)
    assert_same(ar_beam(network, given, catalogue=catalogue), theirs)
