"""A tokenizer of the items' own words, and those of others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mindrec_baselines.textual_ids.subwords import END, PAD, UNKNOWN, Subwords, ended, left_padded
from mindrec_bench.errors import DataError

LINES = ["amber brush, 12 pack", "amber canvas", "black canvas (12 x 7)"] * 5


@pytest.fixture(scope="module")
def subwords() -> Subwords:
    return Subwords.trained(LINES, 200)


def test_words_go_in_and_come_out(subwords: Subwords) -> None:
    (ids,) = subwords.encode(["Black AMBER brush"], 20)
    assert subwords.text(ids) == "black amber brush"
    assert len(ids) == 3, "words that occur are tokens"
    assert min(ids) > UNKNOWN
    assert subwords.encode(["black amber"], 1) == [ids[:1]]


def test_the_same_texts_give_the_same_tokenizer(subwords: Subwords) -> None:
    assert Subwords.trained(LINES, 200).json == subwords.json
    assert Subwords.trained(LINES, 30).size == 30


def test_there_is_a_token_even_where_there_is_no_text(subwords: Subwords) -> None:
    assert subwords.encode([""], 5) == [(UNKNOWN,)]


def test_tokens_of_words_are_those_with_letters_or_digits(subwords: Subwords) -> None:
    words = {subwords.tokenizer.id_to_token(int(token)) for token in np.flatnonzero(subwords.is_word_piece)}
    others = {subwords.tokenizer.id_to_token(int(token)) for token in np.flatnonzero(~subwords.is_word_piece)}
    assert {"▁amber", "▁canvas"} <= words
    assert {"<pad>", "</s>", "<unk>", ",", "(", "▁"} <= others


def test_a_tokenizer_on_disk(subwords: Subwords, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(subwords.json, encoding="utf-8")
    again = Subwords.read(path)
    assert again.encode(LINES, 20) == subwords.encode(LINES, 20)
    assert again.json == subwords.json
    with pytest.raises(DataError, match="missing or no tokenizer"):
        Subwords.read(tmp_path / "none.json")
    content = json.loads(subwords.json)
    content["model"]["vocab"] = {word: (token + 1) % 200 for word, token in content["model"]["vocab"].items()}
    content["added_tokens"] = []
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match="does not begin with <pad> </s> <unk>"):
        Subwords.read(path)


def test_rows() -> None:
    ids = [(5, 6, 7), (8,)]
    assert ended(ids).tolist() == [[5, 6, 7, END], [8, END, PAD, PAD]]
    assert left_padded(ids).tolist() == [[5, 6, 7], [PAD, PAD, 8]]
