"""The benchmark of a published LLM runs in miniature, on a CPU."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "published_llm.py"


def test_every_phase_runs_and_is_measured(tmp_path, monkeypatch, capsys):
    words = ["--shape", "tiny", "--steps", "6", "--users", "7", "--beam", "2", "--batch-size", "4", "--refresh", "7"]
    files = ["--folder", str(tmp_path), "--out", str(tmp_path / "result.json")]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *words, *files])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    runpy.run_path(str(SCRIPT), run_name="__main__")
    found = json.loads((tmp_path / "result.json").read_text())
    assert json.loads(capsys.readouterr().out) == found
    assert set(found["phases"]) == {"write", "load", "train", "decode, refresh=0", "decode, refresh=7"}
    assert all(phase["seconds"] >= 0 and phase["machine_peak_gib"] > 0 for phase in found["phases"].values())
    exact, rare = found["decoding"]
    assert all((row["users"], row["forward_passes"]) == (7, 2 * 7) for row in (exact, rare))
    assert all(row["users_a_second"] > 0 and row["teraflop_a_user"] > 0 for row in (exact, rare))
    assert exact["share_of_positions"] == 1
    tokens = found["tokens"]
    assert rare["share_of_positions"] == pytest.approx((tokens + 9 + 12 * 9) / (13 * (tokens + 9)), abs=1e-4)
    assert 0 < rare["same_first"] <= 1
    assert found["steps"] >= 6
    d, inner, rows = 32, 96, 600
    assert found["parameters"] == 2 * (4 * d * d + 3 * d * inner + 2 * d) + 2 * rows * d + d
    shards = sorted(path.name for path in (tmp_path / "checkpoint").glob("*.safetensors"))
    assert shards == [f"model-0000{shard}-of-00002.safetensors" for shard in (1, 2)]
