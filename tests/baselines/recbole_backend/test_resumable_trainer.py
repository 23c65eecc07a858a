"""RecBole's trainer: continuing after a kill, and each way in which training ends."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mindrec_baselines.recbole import RecBole
from mindrec_baselines.recbole_backend.backbone import RecBoleBackbone
from mindrec_baselines.sasrec import SasRec
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import MrbenchError

from .helpers import SHORT, make_task


@pytest.mark.parametrize(
    "backbone", [SHORT, RecBole("BERT4Rec", epochs=3, batch=128)], ids=["negatives", "random masks"]
)
def test_a_killed_training_continues_to_the_same_bits(
    recbole: None,
    walks: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    backbone: RecBoleBackbone,
    notices: list[str],
) -> None:
    from recbole.trainer import Trainer

    task = make_task(walks)
    whole = backbone.fit(task, tmp_path / "whole")
    train_epoch = Trainer._train_epoch

    def killed(self, loader, epoch, *args, **kwargs):  # type: ignore[no-untyped-def]
        if epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self, loader, epoch, *args, **kwargs)

    monkeypatch.setattr(Trainer, "_train_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        backbone.fit(task, tmp_path / "killed")
    monkeypatch.setattr(Trainer, "_train_epoch", train_epoch)
    checkpoints = tmp_path / "killed" / "checkpoints"
    assert sorted(path.name for path in checkpoints.iterdir()) == ["checkpoint-1", "checkpoint-2"]
    report = backbone.fit(dataclasses.replace(task), tmp_path / "killed")
    assert notices == ["training continues at epoch 2 of 3"]
    assert report.valid_loss == whole.valid_loss
    for name in ("whole", "killed"):
        files = ["losses.csv", "model.json", "weights.safetensors"]
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == files
    for file in ("losses.csv", "weights.safetensors"):
        one, other = ((tmp_path / name / file).read_bytes() for name in ("whole", "killed"))
        assert one == other


def test_training_stops_at_the_time_limit(recbole: None, walks: Dataset, tmp_path: Path) -> None:
    report = SasRec(epochs=50).fit(make_task(walks, max_minutes=1e-6), tmp_path)
    assert (report.epochs, len(report.valid_loss), report.under_trained) == (1.0, 1, True)
    assert report.precision == "float32"


def test_training_stops_early_and_keeps_the_best_weights(recbole: None, walks: Dataset, tmp_path: Path) -> None:
    report = SasRec(epochs=60, lr=0.3, patience=2, batch=128).fit(make_task(walks), tmp_path)
    assert report.epochs < 60
    assert np.argmin(report.valid_loss[::-1]) == 2
    assert not report.under_trained


def test_a_loss_of_nan_is_an_error(recbole: None, walks: Dataset, tmp_path: Path) -> None:
    with pytest.raises(MrbenchError, match="is not a number after 0 epochs; train with a smaller lr"):
        SasRec(lr=1e30, epochs=2, batch=32).fit(make_task(walks), tmp_path)
