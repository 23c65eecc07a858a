"""Several processes of this machine on one question."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from mindrec_bench.errors import MrbenchError, UsageError
from mindrec_bench.experiment import run
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config

from .asked import DATA, USERS, answer


@pytest.fixture
def jobs(monkeypatch):
    """The module of jobs, which worker processes find too."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    import jobs

    return jobs


def test_any_number_of_processes_decodes_to_the_same_bytes(ask, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "SHARD_USERS", 16)
    runs = [ask("markov", "dbs-penalty", setup={"runs_dir": tmp_path / str(n), "devices": n}) for n in (1, 2, 3)]
    assert answer(runs[0]) == answer(runs[1]) == answer(runs[2])
    assert runs[0]["metrics"] == runs[1]["metrics"] == runs[2]["metrics"]
    assert runs[0]["run"] == runs[1]["run"] == runs[2]["run"]
    assert [run["timings"]["processes"] for run in runs] == [1, 2, 3]
    assert [run["timings"]["forward_passes"] for run in runs] == [4 * 7] * 3
    assert ask.notices == []


def test_a_killed_process_ends_the_run_and_the_next_start_continues(ask, monkeypatch, decoded, tmp_path, jobs):
    monkeypatch.setattr(run, "SHARD_USERS", 12)
    straight = ask(setup={"runs_dir": tmp_path / "straight"})
    with monkeypatch.context() as patch:
        patch.setattr(run, "_work", jobs.killed_after_a_part)
        with pytest.raises(MrbenchError, match=r"process 1 of 2 was killed by signal 9.*the same command continues"):
            ask(setup={"devices": 2})
    (folder,) = (tmp_path / "runs").glob("*/*/*/*/shards")
    shards = {shard.name[:5] for shard in folder.glob("[0-9]*.parquet")}
    assert "00001" in shards, "the killed process wrote its first part"
    assert "00003" not in shards, "and not its second"
    decoded.clear()
    assert answer(ask()) == answer(straight)
    assert decoded["users"] == USERS - 12 * len(shards)


def fits(root):
    """The weights of all fitted models under a run store."""
    return [path.read_bytes() for path in sorted(root.glob("*/*/fit/*/weights.safetensors"))]


def test_a_model_that_two_processes_trained_is_decoded_by_any_number(ask, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "SHARD_USERS", 32)
    two = ask("llada:epochs=1", "bs", setup={"devices": 2})
    assert "--train-devices 2" in two["command"]
    assert "llada on arts-sim, cpu, size tiny (auto: the smallest, for a simulation), 2 processes" in ask.notices[0]
    shutil.copytree(tmp_path / "runs", tmp_path / "copy", ignore=shutil.ignore_patterns("bs"))
    one = ask("llada:epochs=1", "bs", train_devices=2, setup={"devices": 1, "runs_dir": tmp_path / "copy"})
    assert answer(one) == answer(two)
    assert one["run"] == two["run"]
    assert (one["timings"]["processes"], two["timings"]["processes"]) == (1, 2)
    assert sum(line.startswith("training") for line in ask.notices) == 1, "the model was reused"
    alone = ask("llada:epochs=1", "bs")
    assert alone["run"] != two["run"]
    assert len(set(fits(tmp_path / "runs"))) == 2


@pytest.mark.slow
def test_a_killed_training_process_ends_the_run_and_the_next_start_continues_to_the_same_bits(
    ask, monkeypatch, tmp_path, jobs
):
    question = {"model": "llada:epochs=2", "decoder": "bs", "train_devices": 2, "eval_users": 1}
    straight = ask(**question, setup={"runs_dir": tmp_path / "straight"})
    assert straight["fit"]["steps"] == 10
    with monkeypatch.context() as patch:
        patch.setattr(run, "_work", jobs.killed_at_step_7)
        with pytest.raises(MrbenchError, match=r"process 1 of 2 was killed by signal 9.*the same command continues"):
            ask(**question)
    ask.notices.clear()
    ask(**question)
    assert "training continues at step 6 of 10" in ask.notices
    assert fits(tmp_path / "runs") == fits(tmp_path / "straight")


def test_devices_without_a_gpu_each_are_refused(ask, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"2 processes take a GPU each, and this machine has 1; give --devices"):
        ask(setup={"device": "cuda", "devices": 2})


def test_the_number_of_training_processes_is_part_of_the_question_where_they_share_it(tmp_path, data):
    def spec(model, **question):
        return resolve_config(ExperimentConfig(model, "dbs-dedup", data=DATA, **question)).spec(data)

    for model, several in (("llada", True), ("sasrec", False), ("markov", False)):
        alone, two = spec(model), spec(model, train_devices=2)
        assert (alone.train_devices, two.train_devices) == (1, 2 if several else 1)
        assert (alone.id != two.id, alone.fit_id != two.fit_id) == (several, several)


@pytest.mark.parametrize(("flag", "settings"), [("--devices", {"setup": {"devices": 0}}), ("--train-devices", {})])
def test_no_process_at_all(ask, flag, settings):
    with pytest.raises(UsageError, match=f"{flag} is 0; it must be at least 1"):
        ask(**(settings or {"train_devices": 0}))
