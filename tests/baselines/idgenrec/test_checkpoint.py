"""`idgenrec` from a published T5, and from another tagger."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import T5ForConditionalGeneration

from mindrec_baselines.idgenrec import PUBLISHED, IdGenRec
from mindrec_baselines.textual_ids.build import checkpoint_folder, read_t5
from mindrec_bench.core.backbone import Task
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.testing import make_canvas
from mindrec_decoders.ar_beam import ArBeam

from .drawn import SHORT, save_t5


def test_both_parts_start_from_the_checkpoint(given: Task, checkpoint: Path, tmp_path: Path) -> None:
    backbone = dataclasses.replace(SHORT, rounds=1, checkpoint=str(checkpoint))
    ours = dataclasses.replace(given, size=PUBLISHED)
    filled = backbone.with_size_defaults(PUBLISHED)
    texts = given.data.named_texts("the test")
    network = filled._network_over(filled._subwords(texts, PUBLISHED, tmp_path), texts, ours)
    theirs = T5ForConditionalGeneration.from_pretrained(checkpoint)
    for part in (network.generator, network.recommender):
        assert torch.equal(part.embedding.weight, theirs.shared.weight)
        query = "encoder.block.0.layer.0.SelfAttention.q.weight"
        assert torch.equal(part.t5.state_dict()[query], theirs.state_dict()[query])
    backbone.fit(ours, tmp_path)
    model = backbone.load(ours, tmp_path)
    assert len(set(map(tuple, model.code_space.item_codes.tolist()))) == given.data.n_items
    histories = given.data.test().histories[:3]
    slots = tuple(range(model.code_space.n_slots))
    canvas = make_canvas(model.code_space, histories.users, catalogue=True)
    codes = ArBeam().decode(model.begin(histories, slots), canvas, beam=5).codes
    assert (model.code_space.find(codes.numpy()) >= 0).all()


def test_a_tagger_takes_the_place_of_keywords(given: Task, checkpoint: Path) -> None:
    steps = IdGenRec(tagger=str(checkpoint)).with_size_defaults(PUBLISHED)._steps(PUBLISHED)
    assert [step.phase for step in steps] == ["generator", "recommender"] * 3


def test_what_the_checkpoints_hold_is_the_runs_identity(
    given: Task, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another model at the same path is another run; the sizes from scratch keep the identity that they had."""
    assert SHORT.file_fingerprints("tiny") == IdGenRec().file_fingerprints("small") == {}
    with pytest.raises(UsageError, match="are for --size t5-small"):
        IdGenRec(tagger=str(checkpoint)).file_fingerprints("small")
    other = save_t5(tmp_path / "other", given, d_ff=16)
    both = IdGenRec(checkpoint=str(checkpoint), tagger=str(other))
    first = both.file_fingerprints(PUBLISHED)
    assert set(first) == {"checkpoint", "tagger"}
    assert first["checkpoint"] != first["tagger"]
    assert set(IdGenRec(checkpoint=str(checkpoint)).file_fingerprints(PUBLISHED)) == {"checkpoint"}
    save_t5(other, given, d_ff=24)
    second = both.file_fingerprints(PUBLISHED)
    assert second["checkpoint"] == first["checkpoint"]
    assert second["tagger"] != first["tagger"]
    monkeypatch.setattr("mindrec_baselines.checkpoints.files._commit", lambda name: f"commit of {name}")
    assert IdGenRec().file_fingerprints(PUBLISHED) == {"checkpoint": "google-t5/t5-small@commit of google-t5/t5-small"}


def test_checkpoints_that_do_not_fit(given: Task, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="are for --size t5-small"):
        dataclasses.replace(SHORT, checkpoint=str(checkpoint)).fit(given, tmp_path / "fit")
    other = save_t5(tmp_path / "other", given, vocab_size=130)
    like = read_t5(str(checkpoint), dropout=0.1).t5.config
    with pytest.raises(DataError, match="has 130 tokens and the checkpoint 128"):
        read_t5(str(other), dropout=0.1, like=like)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no T5 that can be read"):
        read_t5(str(tmp_path / "empty"), dropout=0.1)
    newer = save_t5(tmp_path / "newer", given, tie_word_embeddings=False)
    with pytest.raises(DataError, match="output head of its own"):
        read_t5(str(newer), dropout=0.1)


def test_a_checkpoint_that_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def nowhere(name: str, **_: Any) -> str:
        asked.append(name)
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", nowhere)
    with pytest.raises(DataError, match="the checkpoint google-t5/t5-small is no folder and can't be had from the hub"):
        checkpoint_folder("t5-small")
    assert asked == ["t5-small", "google-t5/t5-small"]
