"""Subword tokenizers that are trained, and those that are read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mindrec_baselines.textual_ids.subword_tokenizer import (
    END,
    PAD,
    UNKNOWN,
    SubwordTokenizer,
    end_and_pad_right,
    pad_left,
)
from mindrec_bench.errors import DataError

LINES = ["amber brush, 12 pack", "amber canvas", "black canvas (12 x 7)"] * 5


@pytest.fixture(scope="module")
def tokenizer() -> SubwordTokenizer:
    return SubwordTokenizer.train(LINES, 200)


def test_encode_and_decode(tokenizer: SubwordTokenizer) -> None:
    (token_ids,) = tokenizer.encode(["Black AMBER brush"], 20)
    assert tokenizer.decode(token_ids) == "black amber brush"
    assert len(token_ids) == 3, "words that occur are tokens"
    assert min(token_ids) > UNKNOWN
    assert tokenizer.encode(["black amber"], 1) == [token_ids[:1]]


def test_training_is_deterministic_and_limited(tokenizer: SubwordTokenizer) -> None:
    assert SubwordTokenizer.train(LINES, 200).json == tokenizer.json
    assert SubwordTokenizer.train(LINES, 30).size == 30


def test_an_empty_text_is_the_unknown_token(tokenizer: SubwordTokenizer) -> None:
    assert tokenizer.encode([""], 5) == [(UNKNOWN,)]


def test_word_pieces_have_letters_or_digits(tokenizer: SubwordTokenizer) -> None:
    pieces = {tokenizer.tokenizer.id_to_token(int(token)) for token in np.flatnonzero(tokenizer.is_word_piece)}
    others = {tokenizer.tokenizer.id_to_token(int(token)) for token in np.flatnonzero(~tokenizer.is_word_piece)}
    assert {"▁amber", "▁canvas"} <= pieces
    assert {"<pad>", "</s>", "<unk>", ",", "(", "▁"} <= others


def test_read(tokenizer: SubwordTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer.json, encoding="utf-8")
    again = SubwordTokenizer.read(path)
    assert again.encode(LINES, 20) == tokenizer.encode(LINES, 20)
    assert again.json == tokenizer.json
    with pytest.raises(DataError, match="missing or is not a tokenizer"):
        SubwordTokenizer.read(tmp_path / "none.json")
    content = json.loads(tokenizer.json)
    content["model"]["vocab"] = {word: (token + 1) % 200 for word, token in content["model"]["vocab"].items()}
    content["added_tokens"] = []
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match="does not begin with <pad> </s> <unk>"):
        SubwordTokenizer.read(path)


def test_padding() -> None:
    sequences = [(5, 6, 7), (8,)]
    assert end_and_pad_right(sequences).tolist() == [[5, 6, 7, END], [8, END, PAD, PAD]]
    assert pad_left(sequences).tolist() == [[5, 6, 7], [PAD, PAD, 8]]
