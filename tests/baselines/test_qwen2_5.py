"""`qwen2.5` is Qwen2ForCausalLM of transformers with the history as the prompt."""

from __future__ import annotations

import pytest
from transformers import Qwen2Config, Qwen2ForCausalLM

from mindrec_baselines.qwen2_5 import Qwen25

from .causal import ar_beam, assert_same, generated, prompt_inputs, task, untrained, with_head


@pytest.mark.parametrize("catalogue", [False, True], ids=["slots", "catalogue"])
@pytest.mark.parametrize("categories", [False, True])
def test_beam_search_equals_generate(chain, categories: bool, catalogue: bool) -> None:
    chain_task = task(chain(users=20), categories=categories)
    network = untrained(Qwen25, chain_task)
    model = with_head(Qwen2ForCausalLM, Qwen2Config, network)
    expected = generated(model, chain_task, prompt_inputs(network, chain_task), catalogue=catalogue, skip=0)
    assert_same(ar_beam(network, chain_task, catalogue=catalogue), expected)


def test_queries_keys_and_values_have_biases(chain) -> None:
    names = {name.rpartition("self_attn.")[2] for name, _ in untrained(Qwen25, task(chain())).named_parameters()}
    assert {"q_proj.bias", "k_proj.bias", "v_proj.bias"} <= names
