"""Tokens of codes, prompts, targets, and special tokens of published LLMs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mindrec_baselines.llm.prompt_encoder import LLADA_MASK_ID, code_tokens, open_prompt_encoder
from mindrec_baselines.llm.templates import TEMPLATES
from mindrec_bench.core.dataset import Histories
from mindrec_bench.errors import DataError

from ..made_checkpoints import SPECIAL_TOKENS, write_checkpoint, write_tokenizer
from ..published import prompt_encoder

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


def test_each_code_has_a_token_after_the_vocabulary(family, folder, space):
    encoder = prompt_encoder(folder, family, space)
    known = 256 + len(SPECIAL_TOKENS[family])
    assert encoder.code_token_ids.tolist() == list(range(known, known + space.offsets[-1]))
    assert encoder.new_token_ids == tuple(encoder.code_token_ids.tolist())
    names = code_tokens(space)
    assert names[:2] == ["<c1_0>", "<c1_1>"]
    assert names[-1] == "<s4_4>"
    assert encoder.tokenizer("".join(names), add_special_tokens=False)["input_ids"] == encoder.code_token_ids.tolist()


def test_tokens_of_codes_have_the_numbers_of_the_files(chain):
    space = type(chain().space(categories=False)).build(np.array([[7, 0], [3, 0], [7, 12]]))
    assert code_tokens(space) == ["<s1_3>", "<s1_7>", "<s2_0>", "<s2_12>"]


def test_known_tokens_are_not_new(family, folder, space, tmp_path):
    encoder = prompt_encoder(folder, family, space)
    encoder.tokenizer.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    again = open_prompt_encoder(tmp_path, config, space, ["{history}"], masked=family == "llada", released_pad=False)
    assert again.new_token_ids == ()
    assert again.code_token_ids.tolist() == encoder.code_token_ids.tolist()


def test_a_prompt_is_the_turn_of_the_user_up_to_that_of_the_assistant(family, folder, space):
    encoder = prompt_encoder(folder, family, space, TEMPLATES)
    histories = Histories(np.array([[-1, -1, 4, 7]]), np.array([0]))
    for index, template in enumerate(TEMPLATES):
        (text,) = encoder.prompt_texts(histories, np.array([index]))
        before, after = template.split("{history}")
        items = "<c1_0><c2_1>-<s1_0><s2_1><s3_1><s4_4>\n<c1_0><c2_1>-<s1_1><s2_1><s3_0><s4_2>"
        assert before + items + after in text
        assert text.index("user") < text.index(before) < text.index(after) < text.index("assistant")
        assert "{" not in text
    assert len({encoder.templates[index] for index in range(len(TEMPLATES))}) >= 8


def test_without_categories_an_item_is_its_sid(family, folder, chain):
    encoder = prompt_encoder(folder, family, chain().space(categories=False))
    assert encoder.item_texts[4] == "<s1_0><s2_1><s3_1><s4_4>"
    assert encoder.target_layout((0, 1, 2, 3)).slot_positions == (0, 1, 2, 3)


def test_prompts_are_padded_on_the_left(family, folder, space):
    encoder = prompt_encoder(folder, family, space)
    histories = Histories(np.array([[-1, -1, 4], [3, 4, 5]]), np.arange(2))
    token_ids, attention_mask = encoder.encode_prompts(histories, np.array([0, 0]))
    assert token_ids.shape == attention_mask.shape
    assert attention_mask[1].all()
    padding = int((~attention_mask[0]).sum())
    assert padding == 2 * 8, "two items of 6 codes, the separator and the line break"
    assert not attention_mask[0, :padding].any()
    assert (token_ids[0, :padding] == encoder.pad_token_id).all()
    assert encoder.tokenizer.decode(token_ids[0, padding:]) == encoder.prompt_texts(histories[:1], np.array([0]))[0]


def test_the_layout_of_the_target(family, folder, space):
    encoder = prompt_encoder(folder, family, space)
    (dash,) = encoder.separator_ids
    end = {"llada": "<|endoftext|>", "llama": "<|eot_id|>", "qwen2": "<|im_end|>"}[family]
    assert encoder.end_token_id == encoder.tokenizer.convert_tokens_to_ids(end)
    layout = encoder.target_layout(range(6))
    assert layout.token_ids == (-1, -1, dash, -1, -1, -1, -1, encoder.end_token_id)
    assert layout.slot_positions == (0, 1, 3, 4, 5, 6)
    without = encoder.target_layout((2, 3, 4, 5))
    assert without.token_ids == (dash, -1, -1, -1, -1, encoder.end_token_id)
    assert without.slot_positions == (1, 2, 3, 4)


def test_special_tokens_of_llada(tmp_path, space):
    write_checkpoint(tmp_path, "llada")
    encoder = prompt_encoder(tmp_path, "llada", space)
    names = encoder.tokenizer.convert_tokens_to_ids
    assert encoder.mask_token_id == names("<|mdm_mask|>")
    assert encoder.pad_token_id == names("<|endoftext|>"), (
        "the tokenizer has no padding token; any will do, because padding is masked"
    )
    assert prompt_encoder(tmp_path, "llada", space, released_pad=True).pad_token_id == names("<|reserved_token_0|>")


@pytest.mark.parametrize(
    ("config", "expected"),
    [({"mask_token_id": 5}, 5), ({"vocab_size": 126464}, LLADA_MASK_ID)],
    ids=["config", "known"],
)
def test_other_sources_of_the_mask_token(tmp_path, space, monkeypatch, config, expected):
    monkeypatch.setitem(SPECIAL_TOKENS, "llada", ["<|startoftext|>", "<|endoftext|>"])
    write_tokenizer(tmp_path, "llada")
    encoder = open_prompt_encoder(
        tmp_path, {"model_type": "llada", **config}, space, ["{history}"], masked=True, released_pad=False
    )
    assert encoder.mask_token_id == expected


def test_without_any_mask_token(tmp_path, space, monkeypatch):
    monkeypatch.setitem(SPECIAL_TOKENS, "llada", ["<|startoftext|>", "<|endoftext|>"])
    write_tokenizer(tmp_path, "llada")
    with pytest.raises(DataError, match="names a mask token"):
        open_prompt_encoder(
            tmp_path, {"model_type": "llada", "vocab_size": 99}, space, ["{history}"], masked=True, released_pad=False
        )


def test_a_tokenizer_without_a_chat_template(tmp_path, space):
    write_tokenizer(tmp_path, "llama", template=False)
    with pytest.raises(DataError, match="has no chat template; use an instruction-tuned checkpoint"):
        open_prompt_encoder(tmp_path, {"model_type": "llama"}, space, ["{history}"], masked=False, released_pad=False)


def test_a_base_model_reads_plain_text(tmp_path, space):
    write_tokenizer(tmp_path, "llama", template=False)
    encoder = open_prompt_encoder(
        tmp_path, {"model_type": "llama"}, space, ["Bought: {history}"], masked=False, released_pad=False, plain=True
    )
    assert encoder.templates == (f"{encoder.tokenizer.bos_token or ''}Bought: {{history}}\n",)


def test_a_missing_tokenizer(tmp_path, space):
    def open_tokenizer():
        open_prompt_encoder(tmp_path, {"model_type": "llada"}, space, ["{history}"], masked=False, released_pad=False)

    with pytest.raises(DataError, match=r"has no tokenizer: it needs one of tokenizer\.json, "):
        open_tokenizer()
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(DataError, match="has no readable tokenizer"):
        open_tokenizer()
