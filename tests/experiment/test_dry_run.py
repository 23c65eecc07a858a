"""`--dry-run`: what a question means, and what is there of its answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.dry_run import dry_run, dry_text
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment

DATA = "arts-sim:users=20,items=50"


@pytest.fixture
def setup(tmp_path):
    return ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu")


def test_nothing_is_computed_and_the_run_is_the_one_that_would_be(setup):
    asked = ExperimentConfig("markov", "dbs-penalty", data=DATA, beam=3)
    plan = dry_run(asked, setup, prompts=2)
    assert not setup.runs_dir.exists()
    assert (plan["done"], plan["fitted"], plan["prompts"]) == (False, None, None)
    summary = run_experiment(asked, setup).summary
    assert (summary["run"], summary["path"]) == (plan["run"], plan["path"])
    assert dry_run(asked, setup)["done"]
    text = dry_text(plan)
    assert plan["run"] in text
    assert "to be computed" in text
    assert text.endswith("this model and size read codes and no text, so there is no prompt")


def test_what_changes_a_run_is_shown(setup):
    asked = ExperimentConfig(
        "llada", "bs", data=DATA, eval_users=7, split="valid", max_minutes=1.5, train_devices=2, categories="none"
    )
    lines = dry_text(dry_run(asked, setup)).splitlines()
    shown = {line[:10].rstrip(): line[12:] for line in lines}
    assert shown["split"] == "valid"
    assert (shown["eval users"], shown["limit"]) == ("7", "1.5 minutes of training")
    assert shown["trained by"] == "2 processes"
    asked = ExperimentConfig("markov", "rank-items", data=DATA, exclude_history=True)
    assert "\nhistory     excluded" in dry_text(dry_run(asked, setup))


@pytest.fixture
def one_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


@pytest.mark.usefixtures("one_gpu")
@pytest.mark.parametrize(
    "change", [{"batch_size": 0}, {"batch_size": 513}, {"devices": 0}, {"device": "cuda", "devices": 2}], ids=str
)
def test_what_a_run_refuses_is_refused(setup, change):
    asked, impossible = ExperimentConfig("markov", "bs", data=DATA), replace(setup, **change)
    refused = []
    for ask in (dry_run, run_experiment):
        with pytest.raises(UsageError) as error:
            ask(asked, impossible)
        refused.append(str(error.value))
    assert refused[0] == refused[1]


@pytest.mark.usefixtures("one_gpu")
def test_gpus_for_training_are_counted_too(setup):
    asked, on_gpu = ExperimentConfig("llada", "bs", data=DATA, train_devices=3), replace(setup, device="cuda")
    with pytest.raises(UsageError, match="3 processes take a GPU each, and this machine has 1"):
        dry_run(asked, on_gpu)
    assert dry_run(replace(asked, model="markov"), on_gpu)["device"] == "cuda", "nothing is trained"


def test_sizes_are_explained(setup):
    plan = dry_run(ExperimentConfig("llada", "bs", data=DATA), setup, prompts=1)
    assert plan["size"] == "tiny (auto: the smallest, for a simulation)"
    assert plan["fitted"] is False
    assert plan["prompts"] is None


def test_prompts_are_those_of_the_first_test_users(setup, monkeypatch):
    from mindrec_bench.plugins import registry

    seen = []

    def show(self, task, histories, start, slots):
        seen.append((task.size, start.tolist(), slots))
        states = [{"slot": "c1", "position": 1, "state": "given"}, {"slot": "s1", "position": 3, "state": "masked"}]
        return [{"user": int(user), "text": "Once", "ids": [7, 8], "slots": states} for user in histories.users]

    monkeypatch.setattr(registry.load("model", "llada"), "show_prompts", show)
    plan = dry_run(ExperimentConfig("llada", "bs", data=DATA, categories="given", size="small"), setup, prompts=2)
    ((size, start, slots),) = seen
    assert (size, len(start), slots) == ("small", 2, (0, 1, 2, 3, 4, 5, 6))
    assert all(min(row[:3]) >= 0 and row[3:] == [-1] * 4 for row in start)
    text = dry_text(plan)
    assert "\nuser 0\nOnce\nids: 7 8\nslots: c1 at 1 given, s1 at 3 masked" in text
    assert "user 1" in text
