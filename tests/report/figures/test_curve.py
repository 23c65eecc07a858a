"""Training curves of stored runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mindrec_bench.core.backbone import FitReport
from mindrec_bench.core.loss_curve import LossCurve
from mindrec_bench.errors import UsageError
from mindrec_bench.report.figures.curve import save_curves, to_csv, training_curves
from mindrec_bench.store.models import FittedModelFolder

from ...summaries import with_summary

LOSSES = (3.5, 3.25, 3.375)


@pytest.fixture
def runs(store_run):
    """Two decoders of one training, and another seed."""
    fit = FitReport(epochs=2.5, steps=10, parameters=100, seconds=60.0, valid_loss=LOSSES, under_trained=True)
    stored = [
        store_run("llada", decoder, size="tiny", seed=seed)
        for decoder, seed in (("bs", 1), ("dbs-dedup", 1), ("bs", 2))
    ]
    return [with_summary(run, fit=fit) for run in stored]


def test_each_training_is_drawn_once(runs, tmp_path):
    curves = training_curves(runs)
    assert [curve.label for curve in curves] == [f"llada (tiny) on arts, 60 users, seed {seed}" for seed in (1, 2)]
    assert curves[0].valid_line == ((1.0, 3.5), (2.0, 3.25), (2.5, 3.375)), "the last epoch was cut short"
    paths = save_curves(curves, tmp_path / "first")
    assert [path.name for path in paths] == ["curve.png", "curve.svg", "curve.pdf", "curve.csv"]
    again = save_curves(curves, tmp_path / "second")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    assert to_csv(curves).splitlines()[2] == f'{curves[0].fit},"llada (tiny) on arts, 60 users, seed 1",8,2.0,,3.25'


def test_runs_without_a_training_are_refused(store_run, runs):
    with pytest.raises(UsageError, match=r"run \w+ \(markov\) has no training curve"):
        training_curves([store_run("markov", "bs")])
    many = [replace(run, spec=replace(run.spec, seed=seed)) for seed in range(9) for run in runs[:1]]
    with pytest.raises(UsageError, match="9 trainings are too many for one figure; name at most 8"):
        training_curves(many)


def test_a_fitted_model_in_the_run_store_gives_the_steps(store_run, tmp_path, notices):
    """Only the model that the run was decoded with: one that was trained again since has other losses."""
    fit = FitReport(2.0, 4, 100, 60.0, valid_loss=(3.0, 2.0), train_loss=(3.5, 2.5))
    run = with_summary(store_run("llada", "bs", size="tiny"), fit=fit)
    (curve,) = training_curves([run])
    assert [point[:3] for point in curve.losses.points] == [(2, 1.0, 3.5), (4, 2.0, 2.5)]
    folder = FittedModelFolder(run.spec, tmp_path / "runs")
    folder.start()
    steps = LossCurve.of_steps([4.0, 3.0, 2.75, 2.25], 2, [(2, 3.0), (4, 2.0)])
    steps.write(folder.path)
    (folder.path / "weights").write_bytes(b"1")
    folder.finish(fit)
    run = with_summary(run, weights=folder.weights_id())
    (curve,) = training_curves([run])
    assert curve.losses == steps
    assert to_csv([curve]).splitlines()[1].endswith(",1,0.5,4.0,")
    assert all(path.stat().st_size for path in save_curves([curve], tmp_path / "out"))
    steps_id = folder.weights_id()
    (folder.path / "report.json").unlink()
    LossCurve.of_steps([4.0], 1, []).write(folder.path)
    folder.finish(fit)
    assert folder.weights_id() == steps_id, "losses are no part of the weights"
    (folder.path / "report.json").unlink()
    (folder.path / "weights").write_bytes(b"2")
    folder.finish(fit)
    (curve,) = training_curves([run])
    assert len(curve.losses.points) == 2
    LossCurve.of_steps([9.0], 1, [(1, 9.0)]).write(folder.path)
    run = with_summary(run, weights=folder.weights_id())
    (curve,) = training_curves([run])
    assert len(curve.losses.points) == 2, "losses that were edited are not drawn"
    (folder.path / "report.json").unlink()
    (curve,) = training_curves([run])
    assert len(curve.losses.points) == 2
    named = [str(folder.path / name) for name in ("losses.csv", "report.json")]
    assert [name in notice and "--fresh" in notice for name, notice in zip(named, notices, strict=True)] == [True] * 2
