"""Several processes that train one network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindrec_baselines.llada import Llada
from mindrec_baselines.training import processes, trainer
from mindrec_baselines.training.config import TrainingConfig
from mindrec_bench.core.backbone import Task
from mindrec_bench.distributed.launcher import launch
from mindrec_bench.distributed.processes import WorkerContext
from mindrec_bench.errors import UsageError

BATCH = 64


@pytest.fixture
def worker_functions(monkeypatch):
    """The module `worker_functions`, where worker processes find it too."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    import worker_functions

    return worker_functions


@pytest.mark.slow  # a training by two processes is in tests/experiment/test_processes.py
def test_processes_share_each_batch_and_nothing_else_changes(chain, worker_functions, tmp_path, monkeypatch) -> None:
    """Without dropout, and where batches fill the epoch, two processes differ from one in the order of sums only.

    Their validation loss also counts a few examples twice, so that both have the same number.
    """
    data = next(data for data in map(chain, range(40, 300)) if len(data.train_examples()) % BATCH == 0)
    names = ("name", "users", "offsets", "items", "item_ids", "sids", "categories", "fingerprint")
    values = {name: getattr(data, name) for name in names}
    options = {"epochs": 2, "batch": BATCH, "dropout": 0.0}
    monkeypatch.setattr(Llada, "collator", Llada.collator)  # `train` changes it
    alone = worker_functions.train(WorkerContext(), values, tmp_path / "1", options)
    both = launch(worker_functions.train, 2, (values, tmp_path / "2", options), progress=print)
    whole, *halves = (
        json.loads((tmp_path / name).read_text()) for name in ("1/keys-0.json", "2/keys-0.json", "2/keys-1.json")
    )
    assert [first + second for first, second in zip(*halves, strict=True)] == whole
    assert {len(half) for process in halves for half in process} == {BATCH // 2}
    assert (both.steps, both.epochs, both.parameters) == (alone.steps, alone.epochs, alone.parameters)
    assert both.valid_loss == pytest.approx(alone.valid_loss, rel=5e-3)
    assert both.train_loss == pytest.approx(alone.train_loss, rel=5e-3), "the mean over the processes"
    assert alone.valid_loss[1] < alone.valid_loss[0]
    files = {path.name for path in (tmp_path / "2").iterdir()}
    assert files == {"losses.csv", "model.json", "weights.safetensors", "keys-0.json", "keys-1.json"}


def test_a_batch_must_be_shared_evenly(chain, tmp_path, monkeypatch) -> None:
    data, config = chain(), TrainingConfig(lr=0.1, epochs=1, batch=6, patience=1)
    task = Task(data, data.space(categories=False), size="tiny")
    for size, per_process in ((1, 6), (2, 3), (3, 2), (6, 1)):
        monkeypatch.setattr(processes, "world_size", lambda size=size: size)
        assert trainer.training_arguments(config, task, tmp_path).per_device_train_batch_size == per_process
    for size in (4, 12):
        monkeypatch.setattr(processes, "world_size", lambda size=size: size)
        with pytest.raises(UsageError, match=f"{size} processes can't share a batch of 6 evenly; give --train-devices"):
            trainer.training_arguments(config, task, tmp_path)


def test_a_single_process_does_not_wait() -> None:
    processes.barrier()
    assert (processes.rank(), processes.world_size(), processes.broadcast(3.5)) == (0, 1, 3.5)
