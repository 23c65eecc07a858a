"""Training: determinism, resume, time limit, early stopping, and the files it leaves."""

from __future__ import annotations

import dataclasses
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_baselines.llada import Llada
from mindrec_baselines.training import progress, trainer
from mindrec_baselines.training.config import TrainingConfig
from mindrec_bench.core import dataset
from mindrec_bench.core.loss_curve import LossCurve
from mindrec_bench.errors import DataError, MrbenchError

from ..causal import task

pytestmark = pytest.mark.usefixtures("small_networks")


def test_equal_seeds_give_equal_weights_and_only_two_files_are_left(chain, tmp_path: Path, capfd, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    reports = [
        Llada(epochs=2, batch=64).fit(task(chain(), seed=seed), tmp_path / name)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]
    assert reports[0].valid_loss == reports[1].valid_loss
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == sorted(
        f"{name}/{file}" for name in "abc" for file in ("losses.csv", "model.json", "weights.safetensors")
    )
    assert capfd.readouterr() == ("", "")


def test_the_report_counts_epochs_steps_and_parameters(chain, tmp_path: Path) -> None:
    chain_task = task(chain())
    report = Llada(epochs=3, batch=64).fit(chain_task, tmp_path)
    steps = -(-len(chain_task.data.train_examples()) // 64)
    assert (report.epochs, report.steps, len(report.valid_loss)) == (3.0, 3 * steps, 3)
    assert report.parameters == sum(p.numel() for p in Llada().new_network(chain_task).parameters())
    assert 0 < report.seconds < 60
    assert not report.under_trained
    assert report.precision == "float32"
    assert Llada(epochs=3, batch=64).fit(chain_task, tmp_path) == report, "a completed training is not repeated"


def test_examples_other_than_those_of_the_data(chain, tmp_path: Path) -> None:
    """Only these are used for training and validation."""
    chain_task = task(chain())
    network, collator = Llada().new_network(chain_task), Llada().collator(chain_task, 0)
    users: dict[str, set[int]] = {"train": set(), "valid": set()}

    def recording(name: str):
        def make(examples, keys):
            users[name] |= set(examples.histories.users.tolist())
            return collator(examples, keys)

        return make

    whole = chain_task.data.train_examples()
    train_rows, valid_rows = ([*np.flatnonzero(whole.histories.users < count)] for count in (5, 2))
    examples = tuple(dataset.Examples(whole.histories[rows], whole.targets[rows]) for rows in (train_rows, valid_rows))
    config = TrainingConfig(lr=1e-3, epochs=1, batch=16, patience=1)
    report = trainer.fit(
        network, config, chain_task, tmp_path, train=recording("train"), valid=recording("valid"), examples=examples
    )
    assert report.steps == -(-len(train_rows) // 16)
    assert users == {"train": set(range(5)), "valid": {0, 1}}


def test_the_remaining_time_is_told_once(chain, tmp_path: Path, notices: list[str]) -> None:
    report = Llada(epochs=2, batch=32).fit(task(chain()), tmp_path)
    assert report.steps > progress.FORECAST_STEPS
    assert [line.split(" minutes")[0] for line in notices] == ["about 0.0"]


KILLED = """
import logging, os, signal, sys
from pathlib import Path
import numpy as np
from mindrec_baselines.training import progress, trainer  # imported once, before the forks
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.plugins.registry import load

if sys.argv[3] == "llada":
    from mindrec_baselines.code_lm import masked_lm
else:
    from mindrec_baselines.t5 import seq2seq_code_lm

arrays = dict(np.load(sys.argv[1]))
data = Dataset(name="chain", item_ids=list(map(str, range(24))), categories=None, fingerprint="", **arrays)
task = Task(data, data.space(categories=False), size="tiny", quiet=True)
logging.basicConfig(stream=sys.stdout, format="%(message)s")
logging.getLogger("mindrec_baselines").setLevel(logging.INFO)
progress.SAVE_SECONDS = 0.0  # a checkpoint after every step
os.fsync = lambda descriptor: None  # it takes most of the time of so many, and no power is cut
folder = Path(sys.argv[2])
backbone = load("model", sys.argv[3])
fit = lambda name: backbone(epochs=2, batch=64, dropout=0.3).fit(task, folder / name)
on_save, on_step_end = progress.TrainingProgress.on_save, progress.TrainingProgress.on_step_end

def fit_until_killed(name, is_time):
    def step(self, args, state, control, **kwargs):
        if is_time(state.global_step, "step"):
            os.kill(os.getpid(), signal.SIGKILL)
        on_step_end(self, args, state, control, **kwargs)
    def save(self, args, state, control, **kwargs):
        if is_time(state.global_step, "save"):
            os.kill(os.getpid(), signal.SIGKILL)  # the Trainer has written its files, but the checkpoint is not whole
        on_save(self, args, state, control, **kwargs)
    child = os.fork()
    if child == 0:
        progress.TrainingProgress.on_step_end, progress.TrainingProgress.on_save = step, save
        fit(name)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL

# Before this process trains: where there is a GPU, autograd does not survive a fork.
fit_until_killed("step", lambda step, event: (step, event) == (9, "step"))
fit_until_killed("save", lambda step, event: (step, event) == (9, "save"))
fit_until_killed("epoch", lambda step, event: (step, event) == (7, "step"))
fit_until_killed("damaged", lambda step, event: (step, event) == (9, "step"))
(checkpoint_file,) = (folder / "damaged").glob("**/checkpoint-8/best.safetensors")
checkpoint_file.unlink()
for name in ("never", "step", "save", "epoch", "damaged"):
    print(fit(name).valid_loss)
"""


@pytest.mark.slow  # Ctrl-C and the same command: tests/cli/test_stopped.py
@pytest.mark.parametrize("name", ["llada", "tiger"])
def test_a_killed_training_continues_to_the_same_bits(chain, tmp_path: Path, name: str) -> None:
    """For two backbones whose networks share no code."""
    data = chain(users=60)
    assert -(-len(data.train_examples()) // 64) == 6, (
        "the kills are in the middle of an epoch and at the first step of one"
    )
    names = ("users", "offsets", "items", "sids")
    np.savez(tmp_path / "data.npz", **{name: getattr(data, name) for name in names})
    process = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "data.npz", tmp_path, name],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=240,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert [line for line in lines if line.startswith("training continues")] == [
        f"training continues at step {step} of 12" for step in (8, 8, 6, 7)
    ]
    assert len({line for line in lines if "continues" not in line}) == 1, process.stdout
    folders = [tmp_path / ending for ending in ("never", "step", "save", "epoch", "damaged")]
    for file in ("weights.safetensors", "losses.csv"):
        assert len({(folder / file).read_bytes() for folder in folders}) == 1


def test_the_time_limit_ends_training_and_reports_under_trained(chain, tmp_path: Path) -> None:
    started = time.monotonic()
    report = Llada(epochs=100_000, batch=64).fit(task(chain(), max_minutes=2 / 60), tmp_path)
    assert 2 <= report.seconds <= time.monotonic() - started < 30
    assert report.epochs == pytest.approx(report.steps / 6)
    assert report.steps < 100_000
    assert report.under_trained == (report.valid_loss[-1] == min(report.valid_loss))


def test_early_stopping_ends_with_the_decay_and_keeps_the_best_weights(chain, tmp_path: Path) -> None:
    chain_task = task(chain(users=30))
    backbone = Llada(epochs=200, batch=32, lr=0.05, patience=2, dropout=0.0)
    report = backbone.fit(chain_task, tmp_path)
    losses, steps = report.valid_loss, -(-len(chain_task.data.train_examples()) // 32)
    stopped = next(epoch for epoch in range(3, 200) if min(losses[: epoch - 2]) <= min(losses[epoch - 2 : epoch]))
    assert report.steps == math.ceil(stopped * steps / 0.9) < 200 * steps, "the last tenth of the steps is the decay"
    assert not report.under_trained
    network = backbone.load(chain_task, tmp_path).network  # type: ignore[attr-defined]
    valid_set = trainer.ExampleDataset(chain_task.data.validation(), backbone.collator(chain_task, 1), 2)
    with torch.no_grad():
        loss = network(**valid_set.__getitems__(list(range(len(valid_set)))))["loss"]
    assert float(loss) == pytest.approx(min(losses), rel=1e-4)


@pytest.mark.parametrize(
    ("step", "fraction_done", "factor"),
    [(0, 0.0, 1 / 50), (24, 0.1, 0.5), (49, 0.2, 1.0), (500, 0.9, 1.0), (500, 0.95, 0.5), (500, 1.0, 0.0)],
)
def test_the_learning_rate_rises_stays_and_falls(step: int, fraction_done: float, factor: float) -> None:
    assert trainer.lr_factor(step, fraction_done, 50, 0.1) == pytest.approx(factor)


def test_the_order_is_a_new_permutation_in_each_epoch() -> None:
    sampler = trainer.EpochSampler(100, seed=1, shuffle=True)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(first) == list(range(100))
    assert sorted(second) == list(range(100, 200))
    assert [key - 100 for key in second] != first
    assert list(trainer.EpochSampler(5, seed=1, shuffle=False)) == [0, 1, 2, 3, 4]


def test_a_folder_that_cannot_be_created_is_one_sentence(chain, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MrbenchError, match=r"can't write .*file.*: Not a directory; choose a folder"):
        Llada(epochs=1).fit(task(chain()), tmp_path / "file" / "model")


def test_a_training_that_diverges_leaves_no_model(chain, tmp_path: Path) -> None:
    with pytest.raises(MrbenchError, match=r"training diverged: the validation loss is nan after .* a smaller lr"):
        Llada(epochs=2, lr=1e30).fit(task(chain()), tmp_path)
    assert not (tmp_path / "model.json").exists()


def test_histories_too_short_for_training(chain, tmp_path: Path) -> None:
    data = chain()
    short = dataclasses.replace(
        data, users=data.users[:2], offsets=data.offsets[:3] * 0 + [0, 3, 6], items=data.items[:6]
    )
    with pytest.raises(DataError, match="no user has the 4 interactions"):
        Llada(epochs=1).fit(task(short), tmp_path)


def test_the_loss_of_each_step_is_stored(chain, tmp_path: Path) -> None:
    """And a tracker is told all of them, in the order of steps."""
    told: list[tuple[int, dict[str, float]]] = []

    class Recorder:
        def log(self, values, step):
            told.append((step, dict(values)))

    backbone, chain_task = Llada(epochs=2, batch=64), dataclasses.replace(task(chain()), tracker=Recorder())
    losses: list[float] = []
    network = backbone.new_network(chain_task)
    network.register_forward_hook(lambda module, _, out: losses.append(out["loss"].item()) if module.training else None)
    train, valid = (backbone.collator(chain_task, stream) for stream in (0, 1))
    config = backbone.training_config("tiny")
    report = trainer.fit(network, config, chain_task, tmp_path, train=train, valid=valid, fixed_shapes=True)
    curve = LossCurve.read(tmp_path)
    assert curve is not None
    per_epoch = report.steps // 2
    assert [point.step for point in curve.points] == list(range(1, report.steps + 1))
    assert [point.train_loss for point in curve.points] == pytest.approx(losses, rel=1e-6)
    assert {point.step: point.valid_loss for point in curve.points if point.valid_loss is not None} == pytest.approx(
        dict(zip((per_epoch, 2 * per_epoch), report.valid_loss, strict=True))
    )
    assert report.train_loss == pytest.approx([np.mean(losses[:per_epoch]), np.mean(losses[per_epoch:])])
    assert [step for step, _ in told] == sorted(step for step, _ in told)
    assert [values["train_loss"] for _, values in told if "train_loss" in values] == pytest.approx(losses, rel=1e-6)
    assert [values["valid_loss"] for _, values in told if "valid_loss" in values] == list(report.valid_loss)
