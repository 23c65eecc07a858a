"""What is shown is what the model reads."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_baselines.llada import Llada
from mindrec_baselines.qwen2_5 import Qwen25

from ..made_checkpoints import write_checkpoint
from ..published import task

SLOTS = tuple(range(6))


@pytest.mark.parametrize("slots", [SLOTS, (2, 3, 4, 5)], ids=["all", "history"])
def test_masks_stand_exactly_at_the_slots(tmp_path, chain, slots):
    write_checkpoint(tmp_path, "llada")
    given = task(chain())
    histories = given.data.test().histories[:3]
    shown = Llada(checkpoint=str(tmp_path)).show_prompts(given, histories, np.full((3, len(slots)), -1), slots)
    assert [one["user"] for one in shown] == histories.users.tolist()
    for one in shown:
        mask = 256 + 3
        assert one["ids"].count(mask) == len(slots)
        assert [place for place, token in enumerate(one["ids"]) if token == mask] == [
            slot["position"] for slot in one["slots"]
        ]
        assert {slot["state"] for slot in one["slots"]} == {"masked"}
        assert [slot["slot"] for slot in one["slots"]] == ["c1", "c2", "s1", "s2", "s3", "s4"][6 - len(slots) :]
        front = "<|mdm_mask|>" * 2 if len(slots) == 6 else ""
        assert one["text"].endswith("\n\n" + front + "-" + "<|mdm_mask|>" * 4 + "<|endoftext|>")


def test_given_categories_are_not_masked(tmp_path, chain):
    write_checkpoint(tmp_path, "llada")
    start = np.array([[1, 2, -1, -1, -1, -1]])
    given = task(chain())
    (one,) = Llada(checkpoint=str(tmp_path)).show_prompts(given, given.data.test().histories[:1], start, SLOTS)
    assert [slot["state"] for slot in one["slots"]] == ["given"] * 2 + ["masked"] * 4
    assert "<c1_1><c2_2>-<|mdm_mask|>" in one["text"]


def test_a_causal_model_has_no_masks(tmp_path, chain):
    write_checkpoint(tmp_path, "qwen2")
    given = task(chain())
    histories = given.data.test().histories[:1]
    (one,) = Qwen25(checkpoint=str(tmp_path)).show_prompts(given, histories, np.full((1, 6), -1), SLOTS)
    assert one["text"].endswith("<|im_start|>assistant\n__-____<|im_end|>")
    assert {slot["state"] for slot in one["slots"]} == {"predicted"}
    assert [one["ids"][slot["position"]] for slot in one["slots"]] == [-1] * 6


def test_sizes_without_text_show_nothing(chain):
    given = task(chain(), size="tiny")
    assert Llada().show_prompts(given, given.data.test().histories[:1], np.full((1, 6), -1), SLOTS) == []
