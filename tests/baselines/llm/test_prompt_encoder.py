"""Text and tokens of published LLMs: codes, prompts, targets and special tokens."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mindrec_baselines.llm.prompt_encoder import LLADA_MASK_ID, code_names, open_prompt_encoder
from mindrec_baselines.llm.templates import PARAPHRASES
from mindrec_bench.core.dataset import Histories
from mindrec_bench.errors import DataError

from ..made_checkpoints import SPECIAL, write_checkpoint, write_tokenizer
from ..published import chat

FAMILIES = ("llada", "llama", "qwen2")


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(family, tmp_path_factory):
    folder = tmp_path_factory.mktemp(family)
    write_checkpoint(folder, family)
    return folder


@pytest.fixture(scope="module")
def space(chain):
    return chain().space(categories=True)


def test_a_token_a_code_after_the_vocabulary(family, folder, space):
    words = chat(folder, family, space)
    known = 256 + len(SPECIAL[family])
    assert words.codes.tolist() == list(range(known, known + space.offsets[-1]))
    assert words.new == tuple(words.codes.tolist())
    names = code_names(space)
    assert names[:2] == ["<c1_0>", "<c1_1>"]
    assert names[-1] == "<s4_4>"
    assert words.tokenizer("".join(names), add_special_tokens=False)["input_ids"] == words.codes.tolist()


def test_numbers_of_the_files_name_the_codes(chain):
    space = type(chain().space(categories=False)).build(np.array([[7, 0], [3, 0], [7, 12]]))
    assert code_names(space) == ["<s1_3>", "<s1_7>", "<s2_0>", "<s2_12>"]


def test_tokens_that_are_there_are_not_new(family, folder, space, tmp_path):
    words = chat(folder, family, space)
    words.tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    again = open_prompt_encoder(tmp_path, config, space, ["{history}"], masked=family == "llada", released_pad=False)
    assert again.new == ()
    assert again.codes.tolist() == words.codes.tolist()


def test_a_prompt_is_a_turn_of_the_user_up_to_the_assistants(family, folder, space):
    words = chat(folder, family, space, PARAPHRASES)
    histories = Histories(np.array([[-1, -1, 4, 7]]), np.array([0]))
    for which, paraphrase in enumerate(PARAPHRASES):
        (text,) = words.texts(histories, np.array([which]))
        before, after = paraphrase.split("{history}")
        items = "<c1_0><c2_1>-<s1_0><s2_1><s3_1><s4_4>\n<c1_0><c2_1>-<s1_1><s2_1><s3_0><s4_2>"
        assert before + items + after in text
        assert text.index("user") < text.index(before) < text.index(after) < text.index("assistant")
        assert "{" not in text
    assert len({words.templates[which] for which in range(len(PARAPHRASES))}) >= 8


def test_without_categories_an_item_is_its_sid(family, folder, chain):
    words = chat(folder, family, chain().space(categories=False))
    assert words.items[4] == "<s1_0><s2_1><s3_1><s4_4>"
    assert words.tail((0, 1, 2, 3)).places == (0, 1, 2, 3)


def test_prompts_are_padded_on_the_left(family, folder, space):
    words = chat(folder, family, space)
    histories = Histories(np.array([[-1, -1, 4], [3, 4, 5]]), np.arange(2))
    ids, seen = words.prompts(histories, np.array([0, 0]))
    assert ids.shape == seen.shape
    assert seen[1].all()
    padding = int((~seen[0]).sum())
    assert padding == 2 * 8, "two items of 6 codes, the separator and the line break"
    assert not seen[0, :padding].any()
    assert (ids[0, :padding] == words.pad).all()
    assert words.tokenizer.decode(ids[0, padding:]) == words.texts(histories[:1], np.array([0]))[0]


def test_the_target_follows(family, folder, space):
    words = chat(folder, family, space)
    (dash,) = words.separator
    end = {"llada": "<|endoftext|>", "llama": "<|eot_id|>", "qwen2": "<|im_end|>"}[family]
    assert words.end == words.tokenizer.convert_tokens_to_ids(end)
    tail = words.tail(range(6))
    assert tail.ids == (-1, -1, dash, -1, -1, -1, -1, words.end)
    assert tail.places == (0, 1, 3, 4, 5, 6)
    without = words.tail((2, 3, 4, 5))
    assert without.ids == (dash, -1, -1, -1, -1, words.end)
    assert without.places == (1, 2, 3, 4)


def test_special_tokens_of_llada(tmp_path, space):
    write_checkpoint(tmp_path, "llada")
    words = chat(tmp_path, "llada", space)
    names = words.tokenizer.convert_tokens_to_ids
    assert words.mask == names("<|mdm_mask|>")
    assert words.pad == names("<|endoftext|>"), "the tokenizer has no pad: any token, since it is masked"
    assert chat(tmp_path, "llada", space, released_pad=True).pad == names("<|reserved_token_0|>")


@pytest.mark.parametrize(
    ("config", "expected"),
    [({"mask_token_id": 5}, 5), ({"vocab_size": 126464}, LLADA_MASK_ID)],
    ids=["config", "known"],
)
def test_other_sources_of_the_mask(tmp_path, space, monkeypatch, config, expected):
    monkeypatch.setitem(SPECIAL, "llada", ["<|startoftext|>", "<|endoftext|>"])
    write_tokenizer(tmp_path, "llada")
    words = open_prompt_encoder(
        tmp_path, {"model_type": "llada", **config}, space, ["{history}"], masked=True, released_pad=False
    )
    assert words.mask == expected


def test_no_mask_at_all(tmp_path, space, monkeypatch):
    monkeypatch.setitem(SPECIAL, "llada", ["<|startoftext|>", "<|endoftext|>"])
    write_tokenizer(tmp_path, "llada")
    with pytest.raises(DataError, match="names a mask token"):
        open_prompt_encoder(
            tmp_path, {"model_type": "llada", "vocab_size": 99}, space, ["{history}"], masked=True, released_pad=False
        )


def test_a_tokenizer_without_a_chat_template(tmp_path, space):
    write_tokenizer(tmp_path, "llama", template=False)
    with pytest.raises(DataError, match="has no chat template; use an instruction-tuned checkpoint"):
        open_prompt_encoder(tmp_path, {"model_type": "llama"}, space, ["{history}"], masked=False, released_pad=False)


def test_no_tokenizer(tmp_path, space):
    with pytest.raises(DataError, match="has no tokenizer that can be read"):
        open_prompt_encoder(tmp_path, {"model_type": "llada"}, space, ["{history}"], masked=False, released_pad=False)
