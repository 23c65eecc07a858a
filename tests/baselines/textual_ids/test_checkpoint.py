"""T5 checkpoints that can't be found or do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mindrec_baselines.textual_ids.checkpoint import checkpoint_folder, load_t5
from mindrec_bench.core.backbone import Task
from mindrec_bench.errors import DataError

from .small_models import save_t5


def test_checkpoints_that_do_not_fit_are_refused(text_task: Task, t5_checkpoint: Path, tmp_path: Path) -> None:
    other = save_t5(tmp_path / "other", text_task, vocab_size=130)
    config = load_t5(str(t5_checkpoint), dropout=0.1).t5.config
    with pytest.raises(DataError, match="has 130 tokens and the checkpoint 128"):
        load_t5(str(other), dropout=0.1, like=config)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no T5 that can be read"):
        load_t5(str(tmp_path / "empty"), dropout=0.1)
    newer = save_t5(tmp_path / "newer", text_task, tie_word_embeddings=False)
    with pytest.raises(DataError, match="has an untied output head"):
        load_t5(str(newer), dropout=0.1)


def test_a_checkpoint_that_does_not_exist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []

    class Api:
        def model_info(self, name: str, **_: Any) -> None:
            names.append(name)
            raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    with pytest.raises(
        DataError, match=r"the checkpoint 'google-t5/t5-small' is not on this machine and can't be down"
    ):
        checkpoint_folder("t5-small")
    assert names == ["t5-small", "google-t5/t5-small"]
