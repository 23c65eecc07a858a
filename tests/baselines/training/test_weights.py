"""Fitted networks on disk."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from mindrec_baselines.training import weights
from mindrec_bench.core.backbone import FitReport
from mindrec_bench.core.loss_curve import LossCurve

from ..causal import task

UMASK = os.umask(0)
os.umask(UMASK)

FULL_DISK = """
import resource, sys
from pathlib import Path
import torch
from mindrec_baselines.training import weights
from mindrec_bench.errors import MrbenchError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # files can't grow beyond this, as on a full disk
for write in (torch.save, lambda tensors, path: weights.write_tensors(path, tensors)):
    try:
        with weights.explain_write_errors(Path("model")):
            write({"w": torch.zeros(100_000)}, Path(sys.argv[1], "weights.x"))
    except MrbenchError as error:
        print(error)
"""


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("can't write model (")
    assert lines[0].endswith("; free some space or choose another folder with --runs-dir, then repeat the command")
    assert lines[1].startswith("can't write model: File too large; choose a folder")
    assert not list(tmp_path.glob("*.tmp"))


def test_a_report_survives_the_round_trip(chain, tmp_path: Path) -> None:
    report = FitReport(1.5, 3, 10, 2.0, (1.0, 0.5), True, "bf16", (2.0, 1.0))
    losses = LossCurve.of_steps([2.0, 1.0], 1, [(1, 1.0), (2, 0.5)])
    assert weights.completed_report(tmp_path) is None
    weights.save_model(tmp_path, task(chain()), {"w": torch.zeros(2)}, report, losses)
    (tmp_path / weights.CHECKPOINTS / "checkpoint-3").mkdir(parents=True)
    assert weights.completed_report(tmp_path) == report
    assert sorted(path.name for path in tmp_path.iterdir()) == ["losses.csv", "model.json", "weights.safetensors"], (
        "what a killed clean-up left is gone, and files are as readable as the umask allows"
    )
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~UMASK}
    content = json.loads((tmp_path / "model.json").read_text())
    assert content["slots"] == [4, 3, 2, 5]
    del content["report"]["precision"]
    (tmp_path / "model.json").write_text(json.dumps(content))
    assert weights.completed_report(tmp_path) == dataclasses.replace(report, precision=""), (
        "written before precision was reported"
    )
