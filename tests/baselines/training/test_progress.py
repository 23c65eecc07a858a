"""Progress of a training: fractions, time, checkpoints."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from mindrec_baselines.training.progress import TrainingProgress
from mindrec_bench.io.checkpoints import checkpoint_path, complete_checkpoint


def new_progress(folder: Path, max_steps: int, minutes: float | None = None) -> TrainingProgress:
    return TrainingProgress(
        folder, max_steps=max_steps, steps_per_epoch=10, patience=1, decay=0.1, minutes=minutes, quiet=True
    )


def test_time_before_an_interruption_counts(tmp_path: Path) -> None:
    progress = new_progress(tmp_path, max_steps=10, minutes=1)
    state = {
        "step": 3, "epoch": 0.3, "losses": [], "plateau": None, "seconds": 45.0,
        "train_losses": [3.0, None, 2.0], "valid_steps": [],
    }  # fmt: skip
    checkpoint = checkpoint_path(tmp_path, 3)
    checkpoint.mkdir()
    complete_checkpoint(checkpoint, state)
    assert progress.resume(needs="weights") is None
    (checkpoint / "weights").write_bytes(b"")
    complete_checkpoint(checkpoint, state)
    assert progress.resume(needs="weights") == checkpoint
    assert progress.seconds == pytest.approx(45, abs=1)
    assert [point.train_loss for point in progress.loss_curve().points] == pytest.approx([3, math.nan, 2], nan_ok=True)
    assert progress.fraction_done(3) == pytest.approx(0.75, abs=0.02), "a larger fraction of the time than of the steps"


def test_a_checkpoint_of_another_version_is_ignored_with_a_notice(tmp_path: Path, notices: list[str]) -> None:
    progress = new_progress(tmp_path, max_steps=10)
    checkpoint = checkpoint_path(tmp_path, 3)
    checkpoint.mkdir()
    complete_checkpoint(checkpoint, {"step": 3, "seconds": 45.0})
    assert progress.resume(needs="") is None
    assert progress.step == 0
    assert notices == [f"{checkpoint} was written by another version; training does not continue from it"]


def test_early_stopping_leaves_the_decay(tmp_path: Path) -> None:
    progress = new_progress(tmp_path, max_steps=1000)
    assert [progress.fraction_done(step) for step in (0, 90, 500, 1000)] == pytest.approx([0, 0.09, 0.5, 1])
    progress.plateau_step = 90
    assert [progress.fraction_done(step) for step in (90, 95, 100, 101)] == pytest.approx([0.9, 0.95, 1, 1])
    progress.plateau_step = 950
    assert progress.fraction_done(950) == pytest.approx(0.95), "the decay had begun already"
