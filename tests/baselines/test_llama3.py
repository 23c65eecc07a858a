"""`llama3` is LlamaForCausalLM of transformers with the history as the prompt."""

from __future__ import annotations

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from mindrec_baselines.llama3 import Llama3

from .causal import ar_beam, assert_same, generated, prompt_inputs, task, untrained, with_head


@pytest.mark.parametrize("catalogue", [False, True], ids=["slots", "catalogue"])
@pytest.mark.parametrize("categories", [False, True])
def test_beam_search_equals_generate(chain, categories: bool, catalogue: bool) -> None:
    chain_task = task(chain(users=20), categories=categories)
    network = untrained(Llama3, chain_task)
    model = with_head(LlamaForCausalLM, LlamaConfig, network)
    expected = generated(model, chain_task, prompt_inputs(network, chain_task), catalogue=catalogue, skip=0)
    assert_same(ar_beam(network, chain_task, catalogue=catalogue), expected)
