"""The training harness: determinism, resume, time limit, early stop, and what it leaves behind."""

from __future__ import annotations

import dataclasses
import json
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
from mindrec_baselines.training import progress, trainer, weights
from mindrec_baselines.training.progress import Progress
from mindrec_bench.core import dataset
from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import DataError, MrbenchError


def task(data: Dataset, **changes: object) -> Task:
    given = Task(data, data.space(categories=False), size="tiny", quiet=True)
    return dataclasses.replace(given, **changes)  # type: ignore[arg-type]


def watch(folder: Path, steps: int, minutes: float | None = None) -> Progress:
    return Progress(folder, steps=steps, patience=1, decay=0.1, minutes=minutes, quiet=True, notify=pytest.fail)


def test_equal_seeds_give_equal_weights_and_nothing_else_is_left(chain, tmp_path: Path, capfd, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    reports = [
        Llada(epochs=2, batch=64).fit(task(chain(), seed=seed), tmp_path / name)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    files = [(tmp_path / name / "weights.safetensors").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]
    assert reports[0].valid_loss == reports[1].valid_loss
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")) == sorted(
        f"{name}/{file}" for name in "abc" for file in ("model.json", "weights.safetensors")
    )
    assert capfd.readouterr() == ("", "")


def test_the_report_counts(chain, tmp_path: Path) -> None:
    given = task(chain())
    report = Llada(epochs=3, batch=64).fit(given, tmp_path)
    steps = -(-len(given.data.train_examples()) // 64)
    assert (report.epochs, report.steps, len(report.valid_loss)) == (3.0, 3 * steps, 3)
    assert report.parameters == sum(p.numel() for p in Llada()._network(given).parameters())
    assert 0 < report.seconds < 60
    assert not report.under_trained
    assert report.precision == "float32"
    assert Llada(epochs=3, batch=64).fit(given, tmp_path) == report, "a completed training is not repeated"


def test_other_examples_than_the_datas_own(chain, tmp_path: Path) -> None:
    """Those, and no others, are trained and validated on."""
    given = task(chain())
    network, collate = Llada()._network(given), Llada()._collate(given, 0)
    seen: dict[str, set[int]] = {"train": set(), "valid": set()}

    def watched(name: str):
        def make(examples, keys):
            seen[name] |= set(examples.histories.users.tolist())
            return collate(examples, keys)

        return make

    own = given.data.train_examples()
    few, fewer = ([*np.flatnonzero(own.histories.users < users)] for users in (5, 2))
    parts = tuple(dataset.Examples(own.histories[rows], own.targets[rows]) for rows in (few, fewer))
    recipe = trainer.Recipe(lr=1e-3, epochs=1, batch=16, patience=1)
    report = trainer.fit(
        network, recipe, given, tmp_path, train=watched("train"), valid=watched("valid"), examples=parts
    )
    assert report.steps == -(-len(few) // 16)
    assert seen == {"train": set(range(5)), "valid": {0, 1}}


def test_the_time_it_takes_is_told_once(chain, tmp_path: Path) -> None:
    told: list[str] = []
    report = Llada(epochs=2, batch=32).fit(task(chain(), notify=told.append), tmp_path)
    assert report.steps > progress.TIMED_STEPS
    assert [line.split(" minutes")[0] for line in told] == ["about 0.0"]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from mindrec_baselines.code_lm import masked_lm  # these once, before the forks
from mindrec_baselines.t5 import code_t5
from mindrec_baselines.training import progress, trainer
from mindrec_baselines.llada import Llada
from mindrec_baselines.tiger import Tiger
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset

arrays = dict(np.load(sys.argv[1]))
data = Dataset(name="chain", item_ids=list(map(str, range(24))), categories=None, fingerprint="", **arrays)
task = Task(data, data.space(categories=False), size="tiny", quiet=True, notify=print)
progress.SAVE_SECONDS = 0.0  # a checkpoint a step
fit = lambda name: backbone(epochs=2, batch=64, dropout=0.3).fit(task, Path(sys.argv[2], backbone.__name__, name))
whole = progress.Progress.on_save, progress.Progress.on_step_end

def die(name, when):
    def step(self, args, state, control, **rest):
        if when(state.global_step, "step"):
            os.kill(os.getpid(), signal.SIGKILL)
        whole[1](self, args, state, control, **rest)
    def save(self, args, state, control, **rest):
        if when(state.global_step, "save"):
            os.kill(os.getpid(), signal.SIGKILL)  # the Trainer has written its files, the checkpoint is not whole
        whole[0](self, args, state, control, **rest)
    child = os.fork()
    if child == 0:
        progress.Progress.on_step_end, progress.Progress.on_save = step, save
        fit(name)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL

for backbone in (Llada, Tiger):
    die("step", lambda step, what: (step, what) == (9, "step"))
    die("save", lambda step, what: (step, what) == (9, "save"))
    die("epoch", lambda step, what: (step, what) == (7, "step"))
    for name in ("never", "step", "save", "epoch"):
        print(backbone.__name__, fit(name).valid_loss)
"""


def test_a_killed_training_continues_to_the_same_bits(chain, tmp_path: Path) -> None:
    """For two backbones whose networks have nothing in common."""
    data = chain(users=60)
    assert -(-len(data.train_examples()) // 64) == 6, "the kills are meant for mid-epoch and for an epoch's first step"
    names = ("users", "offsets", "items", "sids")
    np.savez(tmp_path / "data.npz", **{name: getattr(data, name) for name in names})
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "data.npz", tmp_path],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if "continues" in line] == [
        f"training continues at step {step} of 12" for step in (8, 8, 6) * 2
    ]
    assert len({line for line in done.stdout.splitlines() if "continues" not in line}) == 2, done.stdout
    for backbone in ("Llada", "Tiger"):
        trainings = [tmp_path / backbone / name for name in ("never", "step", "save", "epoch")]
        assert len({(trainer / "weights.safetensors").read_bytes() for trainer in trainings}) == 1


def test_time_limit_stops_and_says_under_trained(chain, tmp_path: Path) -> None:
    started = time.monotonic()
    report = Llada(epochs=100_000, batch=64).fit(task(chain(), max_minutes=2 / 60), tmp_path)
    assert 2 <= report.seconds <= time.monotonic() - started < 30
    assert report.epochs == pytest.approx(report.steps / 6)
    assert report.steps < 100_000
    assert report.under_trained == (report.valid_loss[-1] == min(report.valid_loss))


def test_time_before_an_interruption_counts(chain, tmp_path: Path) -> None:
    progress = watch(tmp_path, steps=10, minutes=1)
    checkpoint = tmp_path / "checkpoint-10"
    checkpoint.mkdir()
    weights.write_json(
        checkpoint / "progress.json",
        {"step": 3, "epoch": 0.3, "losses": [], "finished": False, "plateau": None, "seconds": 45.0},
    )
    (tmp_path / "checkpoint-9").mkdir()
    (tmp_path / "checkpoint-9" / "progress.json").write_text("{}")
    assert progress.resume() == checkpoint
    assert progress.seconds == pytest.approx(45, abs=1)
    assert progress.share(3) == pytest.approx(0.75, abs=0.02), "time is further than steps"


def test_the_checkpoint_of_another_version_is_left_with_a_notice(tmp_path: Path) -> None:
    notices: list[str] = []
    progress = watch(tmp_path, steps=10)
    progress.notify = notices.append
    (tmp_path / "checkpoint-3").mkdir()
    (tmp_path / "checkpoint-3" / "progress.json").write_text('{"step": 3, "seconds": 45.0}')
    assert progress.resume() is None
    assert progress.step == 0
    assert notices == [f"{tmp_path / 'checkpoint-3'} is another version's checkpoint; training starts again"]


def test_ends_early_with_the_decay_and_keeps_the_best_weights(chain, tmp_path: Path) -> None:
    given = task(chain(users=30))
    backbone = Llada(epochs=200, batch=32, lr=0.05, patience=2, dropout=0.0)
    report = backbone.fit(given, tmp_path)
    losses, steps = report.valid_loss, -(-len(given.data.train_examples()) // 32)
    waited = next(epoch for epoch in range(3, 200) if min(losses[: epoch - 2]) <= min(losses[epoch - 2 : epoch]))
    assert report.steps == math.ceil(waited * steps / 0.9) < 200 * steps, "the last tenth of the steps is the decay"
    assert not report.under_trained
    network = backbone.load(given, tmp_path).network  # type: ignore[attr-defined]
    valid = trainer.ExampleDataset(given.data.validation(), backbone._collate(given, 1), 2)
    with torch.no_grad():
        loss = network(**valid.__getitems__(list(range(len(valid)))))["loss"]
    assert float(loss) == pytest.approx(min(losses), rel=1e-4)


def test_patience_leaves_the_decay_alone(tmp_path: Path) -> None:
    progress = watch(tmp_path, steps=1000)
    assert [progress.share(step) for step in (0, 90, 500, 1000)] == pytest.approx([0, 0.09, 0.5, 1])
    progress.plateau = 90
    assert [progress.share(step) for step in (90, 95, 100, 101)] == pytest.approx([0.9, 0.95, 1, 1])
    progress.plateau = 950
    assert progress.share(950) == pytest.approx(0.95), "it had begun anyway"


@pytest.mark.parametrize(
    ("step", "share", "rate"),
    [(0, 0.0, 1 / 50), (24, 0.1, 0.5), (49, 0.2, 1.0), (500, 0.9, 1.0), (500, 0.95, 0.5), (500, 1.0, 0.0)],
)
def test_rate_rises_stays_and_falls(step: int, share: float, rate: float) -> None:
    assert trainer._rate(step, share, 50, 0.1) == pytest.approx(rate)


def test_order_is_a_new_permutation_each_epoch() -> None:
    order = trainer.EpochSampler(100, seed=1, shuffle=True)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert sorted(first) == list(range(100))
    assert sorted(second) == list(range(100, 200))
    assert [key - 100 for key in second] != first
    assert list(trainer.EpochSampler(5, seed=1, shuffle=False)) == [0, 1, 2, 3, 4]


def test_a_folder_that_cannot_be_made_is_one_sentence(chain, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MrbenchError, match=r"can't write the model to .*file.*Not a directory.*run it again"):
        Llada(epochs=1).fit(task(chain()), tmp_path / "file" / "model")


FULL = """
import resource, sys
from pathlib import Path
import torch
from mindrec_baselines.training import weights
from mindrec_bench.errors import DataError, MrbenchError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))  # files can't grow beyond this, as on a full disk
for write in (torch.save, lambda tensors, path: weights.write_weights(path, tensors)):
    try:
        with weights.explain_write_errors(Path("there")):
            write({"w": torch.zeros(100_000)}, Path(sys.argv[1], "weights.x"))
    except MrbenchError as error:
        print(error)
"""


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    assert all(line.startswith("can't write the model to there (") for line in lines), lines
    assert not list(tmp_path.glob("*.partial"))


def test_a_card_survives_the_round_trip(chain, tmp_path: Path) -> None:
    report = FitReport(1.5, 3, 10, 2.0, (1.0, 0.5), True, "bf16")
    assert weights.finished(tmp_path) is None
    weights.save(tmp_path, task(chain()), {"w": torch.zeros(2)}, report)
    assert weights.finished(tmp_path) == report
    card = json.loads((tmp_path / "model.json").read_text())
    assert card["slots"] == [4, 3, 2, 5]
    del card["report"]["precision"]
    (tmp_path / "model.json").write_text(json.dumps(card))
    assert weights.finished(tmp_path) == dataclasses.replace(report, precision=""), "of before it was reported"


def test_a_training_that_diverges_is_no_model(chain, tmp_path: Path) -> None:
    with pytest.raises(MrbenchError, match=r"training diverged: the validation loss is nan after .* a smaller lr"):
        Llada(epochs=2, lr=1e30).fit(task(chain()), tmp_path)
    assert not (tmp_path / "model.json").exists()


def test_users_too_short_to_train_on(chain, tmp_path: Path) -> None:
    data = chain()
    short = dataclasses.replace(
        data, users=data.users[:2], offsets=data.offsets[:3] * 0 + [0, 3, 6], items=data.items[:6]
    )
    with pytest.raises(DataError, match="no user has the 4 interactions"):
        Llada(epochs=1).fit(task(short), tmp_path)
