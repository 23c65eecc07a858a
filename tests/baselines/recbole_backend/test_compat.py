"""RecBole changes nothing in the process, and is named where it is missing."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_baselines.recbole import RecBole
from mindrec_baselines.recbole_backend import compat
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import UsageError

from .helpers import SHORT, make_task


def test_the_process_is_unchanged(
    recbole: None, walks: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr(sys, "argv", ["mrbench", "--epochs=1", "--learning_rate=9"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    names, level = {name: id(value) for name, value in vars(np).items()}, logging.root.manager.disable
    report = RecBole("FEARec", epochs=2).fit(make_task(walks), tmp_path / "model")
    assert report.epochs == 2, "RecBole read our command line"
    assert {name: id(value) for name, value in vars(np).items()} == names
    assert logging.root.manager.disable == level
    assert not torch.is_anomaly_enabled(), "every training in this process would be slow"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert list((tmp_path / "cwd").iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("method", ["fit", "load"])
def test_without_recbole_the_error_says_what_to_install(
    walks: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(compat, "find_spec", lambda package: None)
    for version, remedy in (((3, 11), "pip install"), ((3, 12), "use Python 3.11")):
        monkeypatch.setattr(compat.sys, "version_info", version)
        with pytest.raises(UsageError, match=f"need RecBole 1.2.1 .*{remedy}.*all other models work without it"):
            getattr(SHORT, method)(make_task(walks), tmp_path)
