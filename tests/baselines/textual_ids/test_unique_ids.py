"""Textual IDs: diverse proposals, a different ID for each item, their slots, and their file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_baselines.t5.encoder_decoder import T5EncoderDecoder, t5_config, t5_from_config
from mindrec_baselines.t5.sizes import T5Size
from mindrec_baselines.textual_ids.subword_tokenizer import END, PAD, UNKNOWN, SubwordTokenizer
from mindrec_baselines.textual_ids.unique_ids import (
    BEAM_GROUPS,
    DIVERSITY_PENALTY,
    EXTRA_TOKENS,
    MAX_ATTEMPTS,
    MAX_TOKENS,
    assign_unique_ids,
    code_token_ids,
    id_code_space,
    propose_ids,
    read_ids,
    write_ids,
)
from mindrec_bench.errors import DataError

VOCABULARY = 40
IS_WORD_PIECE = torch.arange(VOCABULARY) > 4


@pytest.fixture(scope="module")
def generator() -> T5EncoderDecoder:
    torch.manual_seed(0)
    size = T5Size(layers=1, hidden=16, feed_forward=32, head_width=8, heads=2)
    return t5_from_config(t5_config(size, vocabulary=VOCABULARY, pad=PAD, dropout=0.1), PAD).eval()


def left_padded(*rows: list[int]) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[PAD] * (longest - len(row)) + row for row in rows])


TEXTS = left_padded([5, 6, 7], [8, 9], [10, 11, 12, 13, 14], [20])


def uncached_log_probs(generator: T5EncoderDecoder, text: list[int], prefix: list[int]) -> torch.Tensor:
    """log p of the next token, without any cache. Shape: (vocabulary,)"""
    token_ids = torch.tensor([text])
    attention_mask = torch.ones_like(token_ids, dtype=torch.bool)
    with torch.no_grad():
        encoder_states = generator.encode(token_ids, attention_mask)
        states = generator.decode(torch.tensor([[PAD, *prefix]]), encoder_states, attention_mask, use_cache=False)
        return generator.logits(states)[0, -1].log_softmax(-1)


@pytest.mark.parametrize("min_length", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_proposals_equal_diverse_beam_search_by_its_definition(generator: T5EncoderDecoder, min_length: int) -> None:
    """Group by group and token by token."""
    max_length = 6
    ids = propose_ids(
        generator,
        TEXTS,
        is_word_piece=IS_WORD_PIECE,
        min_length=torch.full((4,), min_length),
        max_length=max_length,
    )
    assert ids.shape == (4, BEAM_GROUPS, max_length)
    for text, proposals in zip(TEXTS.tolist(), ids.tolist(), strict=True):
        text = [token for token in text if token != PAD]
        groups: list[list[int]] = [[] for _ in range(BEAM_GROUPS)]
        for position in range(max_length):
            times_chosen = torch.zeros(VOCABULARY)
            for group in groups:
                if group[-1:] == [END]:
                    continue
                score = uncached_log_probs(generator, text, group) - DIVERSITY_PENALTY * times_chosen
                score[:5] = score[:5].where(torch.arange(5) == END, -torch.inf)
                if position < min_length:
                    score[END] = -torch.inf
                group.append(int(score.argmax()))
                times_chosen[group[-1]] += 1
        expected = [[token for token in group if token != END] for group in groups]
        assert [[token for token in row if token != PAD] for row in proposals] == expected
        assert min(map(len, expected)) >= min_length


def test_every_item_has_a_different_id(generator: T5EncoderDecoder) -> None:
    rng = np.random.default_rng(0)
    texts = torch.from_numpy(rng.integers(5, VOCABULARY, (60, 3)))
    ids = assign_unique_ids(generator, texts, IS_WORD_PIECE)
    assert len(set(ids)) == len(ids) == 60
    assert all(min(token_ids) > 4 and len(token_ids) >= 1 for token_ids in ids)
    assert assign_unique_ids(generator, texts, IS_WORD_PIECE) == ids


def test_the_first_of_two_equal_texts_gets_the_best_id(generator: T5EncoderDecoder) -> None:
    ids = assign_unique_ids(generator, TEXTS[[0, 0, 1]], IS_WORD_PIECE)
    proposals = propose_ids(
        generator, TEXTS, is_word_piece=IS_WORD_PIECE, min_length=torch.ones(4), max_length=MAX_TOKENS
    )
    rows = [[token for token in row if token != PAD] for row in proposals[0]]
    assert list(ids[0]) == rows[0]
    assert list(ids[1]) == next(row for row in rows if row != list(ids[0]))


def test_ids_become_longer_when_all_proposals_are_taken(generator: T5EncoderDecoder) -> None:
    """More items with one text than all attempts have proposals."""
    count = BEAM_GROUPS * MAX_ATTEMPTS + 45
    ids = assign_unique_ids(generator, TEXTS[[0] * count], IS_WORD_PIECE)
    assert len(set(ids)) == count
    lengths = np.array([len(token_ids) for token_ids in ids])
    assert lengths[BEAM_GROUPS:].mean() > lengths[:BEAM_GROUPS].mean()
    longest_proposal = MAX_TOKENS + EXTRA_TOKENS * (MAX_ATTEMPTS - 1)
    assert lengths.max() <= longest_proposal + 2, "suffixes of one of the 35 word pieces, then of two"


def test_items_in_different_batches_have_different_ids(
    generator: T5EncoderDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mindrec_baselines.textual_ids.unique_ids.BATCH_SIZE", 2)
    ids = assign_unique_ids(generator, TEXTS[[0, 1, 2, 3, 0, 1, 2, 3]], IS_WORD_PIECE)
    assert len(set(ids)) == 8


def test_slots() -> None:
    ids = [(7, 9), (7,), (5, 9, 6)]
    space = id_code_space(ids)
    assert [numbers.tolist() for numbers in space.numbers] == [[5, 7], [-1, 9], [-1, 6], [-1]]
    assert space.n_categories == 0
    assert space.find(space.item_codes).tolist() == [0, 1, 2]
    assert code_token_ids(space).tolist() == [[5, 7], [END, 9], [END, 6], [END, -1]]


def test_write_and_read(tmp_path: Path) -> None:
    tokenizer = SubwordTokenizer.train(["amber brush"] * 3, 60)
    ids = tokenizer.encode(["amber brush", "amber", "brush amber"], 9)
    path = tmp_path / "ids.json"
    write_ids(path, ids, ["a", "b", "c"], tokenizer)
    assert read_ids(path, ["c", "a", "b"]) == [ids[2], ids[0], ids[1]]
    assert json.loads(path.read_text())["b"]["id"] == "amber"
    with pytest.raises(DataError, match="about other items"):
        read_ids(path, ["a", "d"])
    with pytest.raises(DataError, match="missing"):
        read_ids(tmp_path / "none", [])
    path.write_text(json.dumps({"a": {"tokens": [5, 6]}, "b": {"tokens": [5, 6]}}))
    with pytest.raises(DataError, match="two items with the same ID"):
        read_ids(path, ["a", "b"])
    path.write_text(json.dumps({"a": {"tokens": [UNKNOWN]}}))
    with pytest.raises(DataError, match="two items with the same ID, or an item with an empty ID"):
        read_ids(path, ["a"])
