"""Fitted models: finished by their report, checked on loading, continued after an interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mindrec_bench.core.backbone import FitReport
from mindrec_bench.store.models import FittedModelFolder

REPORT = FitReport(epochs=1.5, steps=10, parameters=1000, seconds=2.5, valid_loss=(3.0, 2.5), under_trained=True)


@pytest.fixture
def folder(tmp_path, run_spec):
    """The folder of a training that has written its weights and has not ended."""
    folder = FittedModelFolder(run_spec, tmp_path)
    folder.start()
    (folder.path / "weights.bin").write_bytes(b"w" * 1000)
    (folder.path / "adapter").mkdir()
    (folder.path / "adapter" / "lora.bin").write_bytes(b"a" * 1000)
    return folder


def test_training_ends_with_the_report(folder, notices):
    assert (folder.is_done(), folder.load_report()) == (False, None)
    assert folder.finish(REPORT) == REPORT
    assert folder.is_done()
    assert folder.load_report() == REPORT
    assert notices == []


def test_decoders_and_category_settings_share_a_model(folder, run_spec):
    folder.finish(REPORT)
    for other in (replace(run_spec, categories="given"), replace(run_spec, beam=3)):
        assert FittedModelFolder(other, folder.root).load_report() == REPORT
    assert FittedModelFolder(replace(run_spec, seed=1), folder.root).load_report() is None


def test_interrupted_training_is_continued(folder):
    folder.start()
    assert (folder.path / "weights.bin").exists()


@pytest.mark.parametrize("name", ["weights.bin", "adapter/lora.bin", "report.json"])
def test_damage_is_named_and_training_starts_again(folder, notices, name):
    folder.finish(REPORT)
    content = bytearray((folder.path / name).read_bytes())
    content[100] ^= 1
    (folder.path / name).write_bytes(content)
    assert folder.load_report() is None
    assert len(notices) == 1
    assert str(folder.path / name) in notices[0]
    folder.start()
    assert list(folder.path.iterdir()) == []


def test_weights_id_ignores_the_report(folder):
    assert folder.weights_id() == ""
    folder.finish(REPORT)
    first = folder.weights_id()
    folder.discard()
    folder.start()
    assert folder.weights_id() == ""
    for name, content in (("weights.bin", b"w" * 1000), ("adapter/lora.bin", b"a" * 1000)):
        (folder.path / name).parent.mkdir(exist_ok=True)
        (folder.path / name).write_bytes(content)
    folder.finish(replace(REPORT, seconds=9.0))
    assert folder.weights_id() == first
    (folder.path / "report.json").unlink()
    (folder.path / "weights.bin").write_bytes(b"x" * 1000)
    folder.finish(REPORT)
    assert folder.weights_id() not in ("", first)


def test_discard(folder):
    folder.finish(REPORT)
    folder.discard()
    assert not folder.path.exists()


def test_lock_has_a_holder_file(folder):
    with folder.lock(wait=False):
        assert folder.path.with_name(f"{folder.path.name}.holder").exists()


def test_path(run_spec):
    folder = FittedModelFolder(run_spec, Path("runs"))
    assert folder.path == Path("runs", "Arts", "llada", "fit", run_spec.fit.id)
