"""`--track`: trainings in TensorBoard, Weights & Biases and MLflow."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import pytest

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.errors import MrbenchError, UsageError
from mindrec_bench.experiment import tracking
from mindrec_bench.experiment.config import ExecutionOptions
from mindrec_bench.experiment.run import fit_model
from mindrec_bench.plugins import registry

from .helpers import DATA, FakeTrained

VALUES = [({"train_loss": 2.5, "epoch": 0.5}, 1), ({"train_loss": 2.0, "epoch": 1.0}, 2), ({"valid_loss": 2.25}, 2)]


class Followed(FakeTrained):
    """Reports losses as it trains."""

    tasks: list[Task] = []  # noqa: RUF012

    def fit(self, task, folder) -> FitReport:
        self.tasks.append(task)
        for values, step in VALUES if task.tracker else []:
            task.tracker.log(values, step)
        return super().fit(task, folder)


@pytest.fixture
def fit(tmp_path):
    """Fit the model in a run store; returns the folder of the fitted model."""
    Followed.tasks.clear()

    def run(**options):
        with registry.registered({("model", "followed"): Followed}):
            execution = ExecutionOptions(runs_dir=tmp_path / "runs", **options)
            return fit_model({"model": "followed", "data": DATA}, execution)

    return run


def fake_package(monkeypatch, name: str, **functions) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    for key, value in functions.items():
        setattr(module, key, value)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_tensorboard_has_the_losses_beside_the_models(fit, tmp_path):
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fitted = fit(track="tensorboard")
    (folder,) = (tmp_path / "runs" / "tensorboard").glob(f"*/followed/{fitted['fit']}")
    events = EventAccumulator(str(folder)).Reload()
    scalars = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
    assert scalars == {"train_loss": [(1, 2.5), (2, 2.0)], "epoch": [(1, 0.5), (2, 1.0)], "valid_loss": [(2, 2.25)]}
    assert [path.name for path in folder.rglob("hparams.yml")] == ["hparams.yml"]


def test_nothing_is_followed_unless_asked_and_the_model_is_the_same(fit, tmp_path, notices):
    assert fit()["fitted"]
    assert Followed.tasks[0].tracker is None
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["arts-sim"]
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    again = fit(track="tensorboard")
    assert not again["fitted"], "outside the identity"
    assert notices[-1] == "this model is fitted already, so tensorboard sees no training; --fresh all repeats it"


def test_weights_and_biases_continues_an_interrupted_run(fit, monkeypatch):
    logged, started, config = [], [], {}
    run = SimpleNamespace(log=lambda values, step: logged.append((values, step)), finish=lambda: logged.append("end"))
    fake_package(
        monkeypatch,
        "wandb",
        init=lambda **settings: started.append(settings) or run,
        config=SimpleNamespace(update=lambda values, **_: config.update(values)),
    )
    fitted = fit(track="wandb")
    assert logged == [*VALUES, "end"]
    name = f"followed on Arts-sim, {fitted['fit']}"
    assert [{**settings, "name": settings["name"].lower()} for settings in started] == [
        {"project": "mindrec-bench", "id": fitted["fit"], "name": name.lower(), "resume": "allow"}
    ]
    assert (config["model.name"], config["seed"]) == ("followed", 42)


def test_mlflow_gets_an_experiment(fit, monkeypatch):
    logged = []
    limits = SimpleNamespace(MAX_PARAM_VAL_LENGTH=500, MAX_PARAMS_TAGS_PER_BATCH=100)
    fake_package(
        monkeypatch,
        "mlflow",
        search_experiments=lambda **_: [],
        create_experiment=lambda name, **_: logged.append(name) or "1",
        start_run=lambda **_: SimpleNamespace(),
        log_params=lambda values: logged.append(values["model.name"]),
        log_metrics=lambda values, step: logged.append((values, step)),
        end_run=lambda *_, **__: logged.append("end"),
        utils=SimpleNamespace(validation=limits),
    )
    fit(track="mlflow")
    assert logged == ["mindrec-bench", "followed", *VALUES, "end"]


def test_a_missing_package_is_named_before_anything_is_done(fit, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as error:
        fit(track="wandb")
    assert str(error.value) == (
        "--track wandb needs the package 'wandb', which is not installed; install it with python -m pip install wandb"
    )
    assert not (tmp_path / "runs").exists()


def test_a_tracker_that_fails_is_one_sentence(fit, monkeypatch):
    def refuse(**_):
        raise RuntimeError("api_key not configured (no-tty)\nsecond line")

    fake_package(monkeypatch, "wandb", init=refuse)
    with pytest.raises(MrbenchError) as error:
        fit(track="wandb")
    assert str(error.value) == (
        "wandb can't follow the training (api_key not configured (no-tty)); set it up, or leave out --track: the same "
        "command then continues from the last checkpoint"
    )


def test_settings_are_flat():
    nested = {"model": {"name": "x", "options": {"lr": 0.5, "layers": (1, 2)}}, "seed": 3, "limit": None}
    flat = {"model.name": "x", "model.options.lr": 0.5, "model.options.layers": "(1, 2)", "seed": 3}
    assert tracking._flat(nested) == flat
