"""The preview of prompts shows what the model reads."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_baselines.llada import Llada
from mindrec_baselines.qwen2_5 import Qwen25

from ..made_checkpoints import write_checkpoint
from ..published import task

SLOTS = tuple(range(6))


@pytest.mark.parametrize("slots", [SLOTS, (2, 3, 4, 5)], ids=["all", "history"])
def test_masks_are_exactly_at_the_slots(tmp_path, chain, slots):
    write_checkpoint(tmp_path, "llada")
    chain_task = task(chain())
    histories = chain_task.data.test().histories[:3]
    prompts = Llada(checkpoint=str(tmp_path)).show_prompts(chain_task, histories, np.full((3, len(slots)), -1), slots)
    assert [prompt["user"] for prompt in prompts] == histories.users.tolist()
    for prompt in prompts:
        mask = 256 + 3
        assert prompt["ids"].count(mask) == len(slots)
        assert [index for index, token in enumerate(prompt["ids"]) if token == mask] == [
            slot["position"] for slot in prompt["slots"]
        ]
        assert {slot["state"] for slot in prompt["slots"]} == {"masked"}
        assert [slot["slot"] for slot in prompt["slots"]] == ["c1", "c2", "s1", "s2", "s3", "s4"][6 - len(slots) :]
        categories = "<|mdm_mask|>" * 2 if len(slots) == 6 else ""
        assert prompt["text"].endswith("\n\n" + categories + "-" + "<|mdm_mask|>" * 4 + "<|endoftext|>")


def test_given_categories_are_not_masked(tmp_path, chain):
    write_checkpoint(tmp_path, "llada")
    start = np.array([[1, 2, -1, -1, -1, -1]])
    chain_task = task(chain())
    (prompt,) = Llada(checkpoint=str(tmp_path)).show_prompts(
        chain_task, chain_task.data.test().histories[:1], start, SLOTS
    )
    assert [slot["state"] for slot in prompt["slots"]] == ["given"] * 2 + ["masked"] * 4
    assert "<c1_1><c2_2>-<|mdm_mask|>" in prompt["text"]


def test_a_causal_model_has_no_masks(tmp_path, chain):
    write_checkpoint(tmp_path, "qwen2")
    chain_task = task(chain())
    histories = chain_task.data.test().histories[:1]
    (prompt,) = Qwen25(checkpoint=str(tmp_path)).show_prompts(chain_task, histories, np.full((1, 6), -1), SLOTS)
    assert prompt["text"].endswith("<|im_start|>assistant\n__-____<|im_end|>")
    assert {slot["state"] for slot in prompt["slots"]} == {"predicted"}
    assert [prompt["ids"][slot["position"]] for slot in prompt["slots"]] == [-1] * 6


def test_sizes_without_prompts_show_none(chain):
    chain_task = task(chain(), size="tiny")
    assert Llada().show_prompts(chain_task, chain_task.data.test().histories[:1], np.full((1, 6), -1), SLOTS) is None
