"""`--dry-run`: what would be run, and what is stored of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from mindrec_bench.errors import UsageError
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.dry_run import dry_run, dry_run_text
from mindrec_bench.experiment.run import run_experiment

DATA = "arts-sim:users=20,items=50"


@pytest.fixture
def options(tmp_path):
    return ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu")


def test_nothing_is_computed_and_the_run_is_the_right_one(options):
    config = ExperimentConfig("markov", "dbs-penalty", data=DATA, beam=3)
    plan = dry_run(config, options, prompts=2)
    assert not options.runs_dir.exists()
    assert (plan["done"], plan["fitted"], plan["prompts"]) == (False, None, None)
    summary = run_experiment(config, options).run.as_dict()
    assert (summary["run"], summary["path"]) == (plan["run"], plan["path"])
    assert dry_run(config, options)["done"]
    text = dry_run_text(plan)
    assert plan["run"] in text
    assert "to be computed" in text
    assert text.endswith("this model and size read codes and no text, so there is no prompt")


def test_a_model_that_needs_a_simulation_is_refused(options, tmp_path):
    folder = tmp_path / "Shop"
    folder.mkdir()
    (folder / "Shop.inter.json").write_text(json.dumps({str(user): [0, 1, 2, 3] for user in range(4)}))
    config = ExperimentConfig("oracle", "rank-items", data=str(folder))
    with pytest.raises(UsageError, match=r"'oracle' needs data .* 'Shop' is not simulated; run it with"):
        dry_run(config, options)


def test_settings_of_the_run_are_shown(options):
    config = ExperimentConfig(
        "llada", "bs", data=DATA, eval_users=7, split="valid", max_minutes=1.5, train_devices=2, categories="none"
    )
    lines = dry_run_text(dry_run(config, options)).splitlines()
    shown = {line[:10].rstrip(): line[12:] for line in lines}
    assert shown["split"] == "valid"
    assert (shown["eval users"], shown["limit"]) == ("7", "1.5 minutes of training")
    assert shown["trained by"] == "2 processes"
    config = ExperimentConfig("markov", "rank-items", data=DATA, exclude_history=True)
    assert "\nhistory     never recommended" in dry_run_text(dry_run(config, options))


@pytest.fixture
def one_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)


@pytest.mark.usefixtures("one_gpu")
@pytest.mark.parametrize(
    "change",
    [{"batch_size": 0}, {"batch_size": 8193}, {"batch_size": "many"}, {"devices": 0}, {"device": "cuda", "devices": 2}],
    ids=str,
)
def test_dry_run_refuses_what_a_run_refuses(options, change):
    config, impossible = ExperimentConfig("markov", "bs", data=DATA), replace(options, **change)
    messages = []
    for function in (dry_run, run_experiment):
        with pytest.raises(UsageError) as error:
            function(config, impossible)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.usefixtures("one_gpu")
def test_gpus_for_training_are_counted_too(options):
    config, on_gpu = ExperimentConfig("llada", "bs", data=DATA, train_devices=3), replace(options, device="cuda")
    with pytest.raises(UsageError, match="3 processes need one GPU each, and this machine has 1"):
        dry_run(config, on_gpu)
    assert dry_run(replace(config, model="markov"), on_gpu)["device"] == "cuda", "nothing is trained"


def test_sizes_are_explained(options):
    plan = dry_run(ExperimentConfig("llada", "bs", data=DATA), options, prompts=1)
    assert plan["size"] == "tiny (auto: the smallest, for a simulation)"
    assert plan["fitted"] is False
    assert plan["prompts"] is None


def test_prompts_are_those_of_the_first_test_users(options, monkeypatch):
    from mindrec_bench.plugins import registry

    calls = []

    def show(self, task, histories, start, slots):
        calls.append((task.size, start.tolist(), slots))
        states = [{"slot": "c1", "position": 1, "state": "given"}, {"slot": "s1", "position": 3, "state": "masked"}]
        return [{"user": int(user), "text": "Once", "ids": [7, 8], "slots": states} for user in histories.users]

    monkeypatch.setattr(registry.load("model", "llada"), "show_prompts", show)
    plan = dry_run(ExperimentConfig("llada", "bs", data=DATA, categories="given", size="small"), options, prompts=2)
    ((size, start, slots),) = calls
    assert (size, len(start), slots) == ("small", 2, (0, 1, 2, 3, 4, 5, 6))
    assert all(min(row[:3]) >= 0 and row[3:] == [-1] * 4 for row in start)
    text = dry_run_text(plan)
    assert "\nuser 0\nOnce\nids: 7 8\nslots: c1 at 1 given, s1 at 3 masked" in text
    assert "user 1" in text
