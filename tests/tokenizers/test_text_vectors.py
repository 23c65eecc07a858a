"""Vectors from item texts, with and without weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mindrec_bench.data.folder import read_untokenized
from mindrec_bench.errors import DataError
from mindrec_bench.tokenizers import text_vectors
from mindrec_bench.tokenizers.text_vectors import encoder_vectors, item_texts, tfidf_vectors

from ..hub_server import COMMIT, serve, use_hub

TEXTS = ["red violin case", "blue violin case", "drum", "", "red drum sticks and a long tail of words", "case"]


def test_a_text_joins_the_fields_of_an_item(shop: Path) -> None:
    data = read_untokenized(shop)
    assert item_texts(data)[:2] == ["violin case. Music,Violins", "guitar case. Music,Guitars"]


def test_data_without_texts_is_refused_with_advice(shop: Path) -> None:
    (shop / "Shop.item.json").write_text(json.dumps({"1": {"price": 3}}))
    with pytest.raises(DataError, match=r"Shop has no item texts; put Shop\.item\.json .* with --vectors cooc"):
        item_texts(read_untokenized(shop))


def test_tfidf_vectors_of_similar_texts_are_near() -> None:
    vectors = tfidf_vectors(TEXTS, 3, seed=0)
    assert vectors.shape == (6, 3)
    assert not vectors[3].any()
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > similarity[0, 4] > 0
    assert (vectors == tfidf_vectors(TEXTS, 3, seed=0)).all()
    assert tfidf_vectors(TEXTS, 50, seed=0).shape == (6, 50)


def test_texts_without_words_are_refused() -> None:
    with pytest.raises(DataError, match="contain no word"):
        tfidf_vectors(["?", "-"], 2, seed=0)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT with random weights and a tokenizer of the words above."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", *sorted({word for text in TEXTS for word in text.split()})]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=6,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


def test_the_mean_over_the_tokens_without_padding(encoder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    vectors = encoder_vectors(TEXTS, str(encoder), "cpu", None)
    tokenizer, network = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder).eval()
    for text, vector in zip(TEXTS, vectors, strict=True):
        if not text:
            assert not vector.any()
            continue
        ids = tokenizer(text, return_tensors="pt")["input_ids"][:, :6]  # the positions that the model has
        with torch.inference_mode():
            alone = network(input_ids=ids).last_hidden_state.mean(dim=1)[0]
        assert vector == pytest.approx(alone.numpy(), abs=1e-5)


def test_finished_vectors_are_cached(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_vectors, "CHUNK_SIZE", 2)
    whole = encoder_vectors(TEXTS, str(encoder), "cpu", tmp_path)
    assert len(list(tmp_path.glob("text-*.safetensors"))) == 3
    next(iter(tmp_path.glob("text-*.safetensors"))).unlink()
    load, calls = text_vectors.load_encoder, []

    def counting_load(*args: Any) -> tuple[Any, Any]:
        calls.append(args)
        return load(*args)

    monkeypatch.setattr(text_vectors, "load_encoder", counting_load)
    assert (encoder_vectors(TEXTS, str(encoder), "cpu", tmp_path) == whole).all()
    assert (encoder_vectors(TEXTS, str(encoder), "cpu", tmp_path) == whole).all()
    assert len(calls) == 1
    assert np.isfinite(whole).all()


def test_a_missing_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the text encoder .* can't be loaded .* or use --vectors text, which"):
        encoder_vectors(TEXTS, str(tmp_path), "cpu", None)


def test_a_model_on_the_hub(encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {path.name: path.read_bytes() for path in encoder.iterdir()} | {"onnx/config.json": b"{}"}
    expected = encoder_vectors(TEXTS, str(encoder), "cpu", None)
    with serve("org/encoder", files) as server:
        use_hub(server, tmp_path, monkeypatch)
        for name in ("org/encoder", "org/encoder@main", f"org/encoder@{COMMIT}"):
            assert (encoder_vectors(TEXTS, name, "cpu", None) == expected).all()
    assert [path for _, path in server.requests if "onnx" in path] == []
    with pytest.raises(DataError, match=r"the text encoder 'a/b/c' is neither a folder nor a hub id such as ORG/NAME"):
        encoder_vectors(TEXTS, "a/b/c", "cpu", None)
