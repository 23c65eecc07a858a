"""Runs by several processes of this machine."""

from __future__ import annotations

import shutil

import pytest
import torch

from mindrec_bench.errors import MrbenchError, UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config

from .helpers import DATA, USERS, result_bytes


@pytest.mark.usefixtures("quick_processes")
def test_any_number_of_processes_decodes_to_the_same_bytes(run, tmp_path):
    run.options["shard_users"] = 16
    runs = [run("markov", "dbs-penalty", options={"runs_dir": tmp_path / str(n), "devices": n}) for n in (1, 3)]
    assert result_bytes(runs[0]) == result_bytes(runs[1])
    assert runs[0]["metrics"] == runs[1]["metrics"]
    assert runs[0]["run"] == runs[1]["run"]
    assert [summary["timings"]["processes"] for summary in runs] == [1, 3]
    assert [summary["timings"]["forward_passes"] for summary in runs] == [4 * 7] * 2
    assert run.notices == []


@pytest.mark.usefixtures("quick_processes")
def test_killed_worker_ends_the_run_and_the_next_start_continues(run, monkeypatch, decoded, tmp_path, worker_functions):
    run.options["shard_users"] = 12
    uninterrupted = run(options={"runs_dir": tmp_path / "uninterrupted"})
    with monkeypatch.context() as patch:
        patch.setattr("mindrec_bench.experiment.run.run_in_worker", worker_functions.killed_after_a_shard)
        with pytest.raises(MrbenchError, match=r"process 1 of 2 was killed by signal 9.*the same command continues"):
            run(options={"devices": 2})
    (folder,) = (tmp_path / "runs").glob("*/*/*/*/shards")
    shards = {shard.name[:5] for shard in folder.glob("[0-9]*.parquet")}
    assert "00001" in shards, "the killed process wrote its first shard"
    assert "00003" not in shards, "and not its second"
    decoded.clear()
    assert result_bytes(run()) == result_bytes(uninterrupted)
    assert decoded["users"] == USERS - 12 * len(shards)


@pytest.mark.usefixtures("quick_processes")
def test_two_processes_train_one_model(run, tmp_path):
    summary = run("llada:epochs=1", "bs", train_devices=2, eval_users=5, options={"devices": 1})
    assert "--train-devices 2" in summary["command"]
    assert "llada on arts-sim, cpu, size tiny (auto: the smallest, for a simulation), 2 processes" in run.notices[0]
    assert (summary["fit"]["steps"], summary["timings"]["processes"]) == (5, 1)
    assert len(fitted_weights(tmp_path / "runs")) == 1


@pytest.mark.slow
def test_model_trained_by_two_processes_is_decoded_by_any_number(run, tmp_path):
    run.options["shard_users"] = 32
    two = run("llada:epochs=1", "bs", options={"devices": 2})
    assert "--train-devices 2" in two["command"]
    assert "llada on arts-sim, cpu, size tiny (auto: the smallest, for a simulation), 2 processes" in run.notices[0]
    shutil.copytree(tmp_path / "runs", tmp_path / "copy", ignore=shutil.ignore_patterns("bs"))
    one = run("llada:epochs=1", "bs", train_devices=2, options={"devices": 1, "runs_dir": tmp_path / "copy"})
    assert result_bytes(one) == result_bytes(two)
    assert one["run"] == two["run"]
    assert (one["timings"]["processes"], two["timings"]["processes"]) == (1, 2)
    assert sum(line.startswith("training") for line in run.notices) == 1, "the model was reused"


def fitted_weights(root):
    """The bytes of the weights of all fitted models in a run store."""
    return [path.read_bytes() for path in sorted(root.glob("*/*/fit/*/weights.safetensors"))]


@pytest.mark.slow
def test_killed_training_worker_ends_the_run_and_the_next_start_continues_to_the_same_bits(
    run, monkeypatch, tmp_path, worker_functions
):
    settings = {"model": "llada:epochs=2", "decoder": "bs", "train_devices": 2, "eval_users": 1}
    uninterrupted = run(**settings, options={"runs_dir": tmp_path / "uninterrupted"})
    assert uninterrupted["fit"]["steps"] == 10
    with monkeypatch.context() as patch:
        patch.setattr("mindrec_bench.experiment.run.run_in_worker", worker_functions.killed_at_step_7)
        with pytest.raises(MrbenchError, match=r"process 1 of 2 was killed by signal 9.*the same command continues"):
            run(**settings)
    run.notices.clear()
    run(**settings)
    assert "training continues at step 6 of 10" in run.notices
    assert fitted_weights(tmp_path / "runs") == fitted_weights(tmp_path / "uninterrupted")


def test_more_processes_than_gpus_are_refused(run, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"2 processes need one GPU each, and this machine has 1; lower --devices"):
        run(options={"device": "cuda", "devices": 2})


def test_number_of_training_processes_is_part_of_the_id_where_several_can_train(tmp_path, data):
    def spec(model, **settings):
        return resolve_config(ExperimentConfig(model, "dbs-dedup", data=DATA, **settings)).run_spec(data)

    for model, several in (("llada", True), ("sasrec", False), ("markov", False)):
        single, two = spec(model), spec(model, train_devices=2)
        assert (single.train_devices, two.train_devices) == (1, 2 if several else 1)
        assert (single.id != two.id, single.fit.id != two.fit.id) == (several, several)


@pytest.mark.parametrize(
    ("flag", "settings"), [("--devices", {"options": {"devices": 0}}), ("--train-devices", {"train_devices": 0})]
)
def test_zero_processes_are_refused(run, flag, settings):
    with pytest.raises(UsageError, match=f"{flag} is 0; it must be at least 1"):
        run(**settings)
