"""`mrbench doctor`: what it reports; nothing that is missing makes it fail."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from mindrec_bench.cli.main import cli
from mindrec_bench.experiment import doctor
from mindrec_bench.plugins import registry


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no-cache"))
    monkeypatch.delenv("MRBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def report(data_dir=None):
    return {(line.part, line.name): line for line in doctor.diagnose(data_dir)}


def test_everything_is_examined():
    lines = report()
    assert {part for part, _ in lines} == {"packages", "devices", "data", "hub", "models"}
    assert {name for part, name in lines if part == "models"} == set(registry.names("model"))
    assert {name for part, name in lines if part == "data"} == set(registry.names("data"))
    assert lines["models", "llada"].words.startswith("ready; --size auto on real data is small (auto:")
    assert lines["models", "markov"].words == "ready; nothing to train"


def test_data_folders_are_found(tmp_path):
    (tmp_path / "root" / "Arts").mkdir(parents=True)
    lines = report(tmp_path / "root")
    assert lines["data", "arts"].words == str(tmp_path / "root" / "Arts")
    assert lines["data", "games"] == (
        "data", "games", False, "not on this machine; `mrbench data fetch games` downloads it"
    )  # fmt: skip


def test_missing_requirements_are_reported(monkeypatch):
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    monkeypatch.setattr(doctor, "package_version", lambda name: None)
    monkeypatch.setattr(
        "mindrec_baselines.recbole_backend.backbone.RecBoleBackbone.missing_requirements",
        staticmethod(lambda: "no RecBole"),
    )
    lines = report()
    assert lines["packages", "torch"][2:] == (False, "not installed, and needed")
    assert lines["packages", "bitsandbytes"][2:] == (False, "not installed; for published LLMs in 8 bits")
    assert lines["models", "sasrec"][2:] == (False, "no RecBole")
    assert lines["hub", "weights"].ok is False


def test_broken_plugin_is_reported(install_points):
    install_points("a_plugin", "model", "broken = no_such_module:Model")
    line = report()["models", "broken"]
    assert not line.ok
    assert "of no_such_module:Model (a_plugin) can't be imported" in line.words


def test_hub_that_can_not_be_reached(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    line = report()["hub", "http://127.0.0.1:9"]
    assert not line.ok
    assert "can't be reached" in line.words


def test_exit_code_is_0():
    result = CliRunner().invoke(cli, ["doctor"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "\nmodels\n" in result.stdout
    assert any(line.startswith("  - ") for line in result.stdout.splitlines())
    objects = json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).stdout)
    assert set(objects[0]) == {"part", "name", "ok", "words"}
