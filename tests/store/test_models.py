"""Fitted models: finished by their report, checked on loading, continued after an interruption."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from mindrec_bench.core.backbone import FitReport
from mindrec_bench.io.manifest import write_manifest
from mindrec_bench.store.models import FittedModelFolder

REPORT = FitReport(epochs=1.5, steps=10, parameters=1000, seconds=2.5, valid_loss=(3.0, 2.5), under_trained=True)


@pytest.fixture
def notices():
    return []


@pytest.fixture
def fit(tmp_path, run_spec, notices):
    """A folder in which training has left its weights, but not ended."""
    fit = FittedModelFolder(run_spec, tmp_path, notices.append)
    fit.start()
    (fit.path / "weights.bin").write_bytes(b"w" * 1000)
    (fit.path / "adapter").mkdir()
    (fit.path / "adapter" / "lora.bin").write_bytes(b"a" * 1000)
    return fit


def test_training_ends_with_the_report(fit, notices):
    assert (fit.is_done(), fit.load_report()) == (False, None)
    assert fit.finish(REPORT) == REPORT
    assert fit.is_done()
    assert fit.load_report() == REPORT
    assert notices == []


def test_a_report_that_does_not_say_its_precision_is_read(fit, notices):
    """As those were that are stored already."""
    report = asdict(replace(REPORT, precision="bf16"))
    del report["precision"]
    write_manifest(fit.path / "report.json", {"report": report}, [])
    assert fit.load_report() == REPORT
    assert notices == []


def test_decoders_and_category_settings_share_it(fit, run_spec):
    fit.finish(REPORT)
    for other in (replace(run_spec, categories="given"), replace(run_spec, beam=3)):
        assert FittedModelFolder(other, fit.root, pytest.fail).load_report() == REPORT
    assert FittedModelFolder(replace(run_spec, seed=1), fit.root, pytest.fail).load_report() is None


def test_an_interrupted_training_is_continued(fit):
    fit.start()
    assert (fit.path / "weights.bin").exists()


@pytest.mark.parametrize("name", ["weights.bin", "adapter/lora.bin", "report.json"])
def test_damage_is_named_and_training_starts_anew(fit, notices, name):
    fit.finish(REPORT)
    content = bytearray((fit.path / name).read_bytes())
    content[100] ^= 1
    (fit.path / name).write_bytes(content)
    assert fit.load_report() is None
    assert len(notices) == 1
    assert str(fit.path / name) in notices[0]
    fit.start()
    assert list(fit.path.iterdir()) == []


def test_weights_have_an_id_that_ignores_the_report(fit):
    assert fit.weights_id() == ""
    fit.finish(REPORT)
    first = fit.weights_id()
    fit.discard()
    fit.start()
    assert fit.weights_id() == ""
    for name, content in (("weights.bin", b"w" * 1000), ("adapter/lora.bin", b"a" * 1000)):
        (fit.path / name).parent.mkdir(exist_ok=True)
        (fit.path / name).write_bytes(content)
    fit.finish(replace(REPORT, seconds=9.0))
    assert fit.weights_id() == first
    (fit.path / "report.json").unlink()
    (fit.path / "weights.bin").write_bytes(b"x" * 1000)
    fit.finish(REPORT)
    assert fit.weights_id() not in ("", first)


def test_discard(fit):
    fit.finish(REPORT)
    fit.discard()
    assert not fit.path.exists()


def test_a_model_is_held_by_one(fit):
    with fit.lock(wait=False):
        assert fit.path.with_name(f"{fit.path.name}.holder").exists()
