"""The training loop against the Trainer: losses, weights, and files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mindrec_baselines.esasrec import ESasRec
from mindrec_baselines.llada import Llada
from mindrec_baselines.llama3 import Llama3
from mindrec_baselines.tiger import Tiger
from mindrec_baselines.training import loop, progress, trainer
from mindrec_baselines.training.idle import doubling_ratio, idle_notice
from mindrec_bench.io.checkpoints import STATE_FILE

from ..causal import task

pytestmark = pytest.mark.usefixtures("small_networks")

OPTIONS = {"epochs": 3, "batch": 50, "dropout": 0.3, "patience": 1}


def fit(backbone, chain_task, folder: Path, *, fixed_shapes: bool):
    """The report and the weights of a training by the loop, or by the Trainer."""
    train, valid = (backbone.collator(chain_task, stream) for stream in (0, 1))
    network, config = backbone.new_network(chain_task), backbone.training_config("tiny")
    report = trainer.fit(network, config, chain_task, folder, train=train, valid=valid, fixed_shapes=fixed_shapes)
    return report, (folder / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("backbone", "bf16"),
    [
        pytest.param(Llada(**OPTIONS), False, id="llada"),
        pytest.param(Llada(**OPTIONS), True, id="llada-bf16"),
        pytest.param(Llama3(**OPTIONS), False, id="llama3"),
        pytest.param(ESasRec(**OPTIONS, swaps=0.2), False, id="esasrec"),
        pytest.param(Tiger(**OPTIONS), True, id="tiger-bf16", marks=pytest.mark.slow),
    ],
)
def test_the_loop_trains_to_the_bits_of_the_trainer(chain, tmp_path: Path, monkeypatch, backbone, bf16) -> None:
    """With dropout, a smaller last batch, early stopping, and in bf16."""
    monkeypatch.setattr(trainer, "use_bf16", lambda device, on_cpu: bf16)
    chain_task = task(chain(users=40), seed=3)
    ours, theirs = (fit(backbone, chain_task, tmp_path / str(ours), fixed_shapes=ours) for ours in (True, False))
    assert ours[0].valid_loss == theirs[0].valid_loss
    assert ours[0].train_loss == theirs[0].train_loss
    assert ours[1] == theirs[1]
    assert (ours[0].steps, ours[0].epochs) == (theirs[0].steps, theirs[0].epochs)


def test_a_checkpoint_of_the_trainer_is_not_continued_by_the_loop(chain, tmp_path, monkeypatch, notices) -> None:
    """Nor the other way round: an older version trained all networks with the Trainer."""
    chain_task, folder = task(chain(users=40)), tmp_path / "fit"
    with monkeypatch.context() as patch:
        patch.setattr(trainer.weights, "save_model", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fit(Llada(epochs=2, batch=50), chain_task, folder, fixed_shapes=False)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints"]
    report, _ = fit(Llada(epochs=2, batch=50), chain_task, folder, fixed_shapes=True)
    assert any("written by another version; training does not continue" in notice for notice in notices)
    assert report.steps == 2 * -(-len(chain_task.data.train_examples()) // 50)


def test_a_checkpoint_has_these_files(chain, tmp_path: Path, monkeypatch) -> None:
    written = []
    on_save = progress.TrainingProgress.on_save

    def watched(self, args, state, control, **kwargs):
        on_save(self, args, state, control, **kwargs)
        written.append(sorted(path.name for path in (self.folder / f"checkpoint-{state.global_step}").iterdir()))

    monkeypatch.setattr(progress.TrainingProgress, "on_save", watched)
    Llada(epochs=2, batch=64).fit(task(chain(users=40)), tmp_path)
    files = [progress.BEST_FILE, loop.WEIGHTS_FILE, loop.OPTIMIZER_FILE, STATE_FILE, loop.RANDOM_FILE]
    assert written == [sorted(files)], "none after the last epoch"


def test_slots_that_are_not_masked_do_not_change_the_loss(chain) -> None:
    """As a GPU computes it: the logits of all slots, those that are not masked with a weight of 0."""
    chain_task = task(chain(users=20))
    network = Llada(dropout=0.0).new_network(chain_task)
    examples = chain_task.data.train_examples()
    batch = trainer.ExampleDataset(examples, Llada().collator(chain_task, 0)).__getitems__(list(range(40)))
    assert (batch["revealed"] >= 0).any()
    slots = torch.arange(batch["labels"].shape[1])
    items = batch["items"]
    with torch.no_grad():
        canvas = network.embed_slots(batch["revealed"], slots)
        states = network.slot_states(network.embed_items(items), items >= 0, canvas, slots)
        logits, labels = network.logits(states).flatten(0, 1), (batch["labels"] + network.offsets).flatten()
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        every_slot = (losses * batch["weights"].flatten()).sum() / 40
        assert float(every_slot) == pytest.approx(float(network(**batch)["loss"]), rel=1e-5)


class StepClock:
    """A clock that tells what steps would take, `per_step` seconds and `per_example`, and no time of this machine."""

    def __init__(self, per_step: float, per_example: float) -> None:
        self.seconds, self.per_step, self.per_example, self.sizes = 0.0, per_step, per_example, []

    def __call__(self) -> float:
        return self.seconds

    def step(self, batch) -> torch.Tensor:
        self.sizes.append(len(batch["labels"]))
        self.seconds += self.per_step + self.per_example * self.sizes[-1]
        return torch.zeros(())


@pytest.mark.parametrize(
    ("per_step", "per_example", "ratio"), [(1.9, 0.0, 1.0), (1.9, 0.0045, 1.23), (1.9, 0.05, 1.77), (0.0, 1.0, 2.0)]
)
def test_a_larger_batch_is_suggested_where_it_is_almost_free(per_step: float, per_example: float, ratio) -> None:
    clock, batch, twice = StepClock(per_step, per_example), *({"labels": torch.zeros(size, 4)} for size in (128, 256))
    found = doubling_ratio(clock.step, batch, twice, clock)
    assert found == pytest.approx(ratio, abs=0.01)
    assert clock.sizes == [256] * 5 + [128] * 5
    notice = idle_notice(found, 128)
    assert (notice is not None) == (ratio <= 1.25)
    if notice:
        assert f"256 examples a step take {found:.2f} times as long as 128" in notice
        assert "batch=256" in notice


def test_asking_whether_the_device_is_idle_changes_no_training(chain, tmp_path: Path, monkeypatch, notices) -> None:
    chain_task, backbone = task(chain(users=40), seed=3), Llada(**OPTIONS)
    expected = fit(backbone, chain_task, tmp_path / "plain", fixed_shapes=True)
    train_step, clock = loop.TrainingLoop._train_step, StepClock(1.0, 0.0)
    gradients = loop.TrainingLoop._gradients

    def asking(self, batch):
        if self.state.global_step in (2, 3):
            self.say_if_idle(list(range(len(self.train_set))), clock)
            self.say_if_idle(list(range(2 * self.batch - 1)), clock)  # no larger batch is possible
        return train_step(self, batch)

    def timed(self, batch):
        clock.step(batch)
        return gradients(self, batch)

    monkeypatch.setattr(loop.TrainingLoop, "_train_step", asking)
    monkeypatch.setattr(loop.TrainingLoop, "_gradients", timed)
    report, weights = fit(backbone, chain_task, tmp_path / "asked", fixed_shapes=True)
    assert (report.valid_loss, weights) == (expected[0].valid_loss, expected[1])
    assert set(clock.sizes) == {OPTIONS["batch"], 2 * OPTIONS["batch"]}
    assert sum(f"batch={2 * OPTIONS['batch']} trains faster" in notice for notice in notices) == 2
