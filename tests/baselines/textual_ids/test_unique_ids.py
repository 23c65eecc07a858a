"""IDs: diverse proposals, one ID for each item, and their slots."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_baselines.t5.encoder_decoder import T5Reader, T5Shape
from mindrec_baselines.textual_ids.build import new_t5
from mindrec_baselines.textual_ids.subwords import END, PAD, UNKNOWN, Subwords
from mindrec_baselines.textual_ids.unique_ids import (
    LONGER,
    LONGEST,
    PENALTY,
    PROPOSALS,
    TRIES,
    id_space,
    id_tokens,
    propose,
    read_ids,
    unique_ids,
    write_ids,
)
from mindrec_bench.errors import DataError

VOCABULARY = 40
WORDY = torch.arange(VOCABULARY) > 4


@pytest.fixture(scope="module")
def generator() -> T5Reader:
    torch.manual_seed(0)
    return new_t5(T5Shape(layers=1, hidden=16, inner=32, key=8, heads=2).config(VOCABULARY, PAD, 0.1)).eval()


def texts(*rows: list[int]) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([[PAD] * (longest - len(row)) + row for row in rows])


SOME = texts([5, 6, 7], [8, 9], [10, 11, 12, 13, 14], [20])


def whole(generator: T5Reader, text: list[int], before: list[int]) -> torch.Tensor:
    """log p of the next token, without any cache. Shape: (vocabulary,)"""
    tokens = torch.tensor([text])
    there = torch.ones_like(tokens, dtype=torch.bool)
    with torch.no_grad():
        states = generator.decode(torch.tensor([[PAD, *before]]), generator.read(tokens, there), there, use_cache=False)
        return generator.logits(states)[0, -1].log_softmax(-1)


@pytest.mark.parametrize("shortest", [1, 4])
def test_proposals_are_diverse_beam_search(generator: T5Reader, shortest: int) -> None:
    """Group by group and token by token, as the definition says."""
    longest = 6
    found = propose(generator, SOME, is_word_piece=WORDY, shortest=torch.full((4,), shortest), longest=longest)
    assert found.shape == (4, PROPOSALS, longest)
    for text, proposals in zip(SOME.tolist(), found.tolist(), strict=True):
        text = [token for token in text if token != PAD]
        groups: list[list[int]] = [[] for _ in range(PROPOSALS)]
        for place in range(longest):
            times = torch.zeros(VOCABULARY)
            for group in groups:
                if group[-1:] == [END]:
                    continue
                score = whole(generator, text, group) - PENALTY * times
                score[:5] = score[:5].where(torch.arange(5) == END, -torch.inf)
                if place < shortest:
                    score[END] = -torch.inf
                group.append(int(score.argmax()))
                times[group[-1]] += 1
        expected = [[token for token in group if token != END] for group in groups]
        assert [[token for token in row if token != PAD] for row in proposals] == expected
        assert min(map(len, expected)) >= shortest


def test_every_item_has_an_id_of_its_own(generator: T5Reader) -> None:
    rng = np.random.default_rng(0)
    many = torch.from_numpy(rng.integers(5, VOCABULARY, (60, 3)))
    ids = unique_ids(generator, many, WORDY)
    assert len(set(ids)) == len(ids) == 60
    assert all(min(tokens) > 4 and len(tokens) >= 1 for tokens in ids)
    assert unique_ids(generator, many, WORDY) == ids


def test_the_first_item_takes_its_best_id_and_its_double_another(generator: T5Reader) -> None:
    ids = unique_ids(generator, SOME[[0, 0, 1]], WORDY)
    best = propose(generator, SOME, is_word_piece=WORDY, shortest=torch.ones(4), longest=LONGEST)
    assert list(ids[0]) == [token for token in best[0, 0] if token != PAD]
    assert list(ids[1]) == next(row for row in ([t for t in p if t != PAD] for p in best[0]) if row != list(ids[0]))


def test_on_conflict_ids_become_longer(generator: T5Reader) -> None:
    """Far more items of one text than there are proposals in all tries."""
    count = PROPOSALS * TRIES + 45
    ids = unique_ids(generator, SOME[[0] * count], WORDY)
    assert len(set(ids)) == count
    lengths = np.array([len(tokens) for tokens in ids])
    assert lengths[PROPOSALS:].mean() > lengths[:PROPOSALS].mean()
    longest_tried = LONGEST + LONGER * (TRIES - 1)
    assert lengths.max() <= longest_tried + 2, "35 words as the first ending, then two"


def test_small_and_large_batches_agree(generator: T5Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubles in different batches must not take one ID."""
    monkeypatch.setattr("mindrec_baselines.textual_ids.unique_ids.ITEMS_AT_ONCE", 2)
    ids = unique_ids(generator, SOME[[0, 1, 2, 3, 0, 1, 2, 3]], WORDY)
    assert len(set(ids)) == 8


def test_slots() -> None:
    ids = [(7, 9), (7,), (5, 9, 6)]
    space = id_space(ids)
    assert [numbers.tolist() for numbers in space.numbers] == [[5, 7], [-1, 9], [-1, 6], [-1]]
    assert space.n_categories == 0
    assert space.find(space.item_codes).tolist() == [0, 1, 2]
    assert id_tokens(space).tolist() == [[5, 7], [END, 9], [END, 6], [END, -1]]


def test_stored_ids(tmp_path: Path) -> None:
    subwords = Subwords.trained(["amber brush"] * 3, 60)
    ids = subwords.encode(["amber brush", "amber", "brush amber"], 9)
    path = tmp_path / "ids.json"
    write_ids(path, ids, ["a", "b", "c"], subwords)
    assert read_ids(path, ["c", "a", "b"]) == [ids[2], ids[0], ids[1]]
    assert json.loads(path.read_text())["b"]["id"] == "amber"
    with pytest.raises(DataError, match="about other items"):
        read_ids(path, ["a", "d"])
    with pytest.raises(DataError, match="missing"):
        read_ids(tmp_path / "none", [])
    path.write_text(json.dumps({"a": {"tokens": [5, 6]}, "b": {"tokens": [5, 6]}}))
    with pytest.raises(DataError, match="two items one ID"):
        read_ids(path, ["a", "b"])
    path.write_text(json.dumps({"a": {"tokens": [UNKNOWN]}}))
    with pytest.raises(DataError, match="two items one ID, or one an empty"):
        read_ids(path, ["a"])
