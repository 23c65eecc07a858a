"""What is there already is not computed again: finished runs, parts of runs, fitted models."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindrec_bench.errors import MrbenchError
from mindrec_bench.experiment import run
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.store.models import FittedModelFolder
from mindrec_bench.store.runs import RunFolder

from .asked import DATA, USERS, answer


def test_a_second_time_the_stored_answer_is_given(ask, decoded):
    first = ask()
    second = ask(model="markov:decay=0.8")
    assert second == first
    assert decoded["users"] == USERS
    assert ask.notices == ["this run is done already; --fresh computes it again"]


def test_fresh_computes_it_again(ask, decoded):
    first = ask()
    content = answer(first)
    second = ask(setup={"fresh": True})
    assert decoded["users"] == 2 * USERS
    assert second["run"] == first["run"]
    assert answer(second) == content
    assert ask.notices == []


def test_a_damaged_answer_is_computed_again(ask, decoded):
    first = ask()
    content = answer(first)
    path = Path(first["path"]) / "rankings.parquet"
    path.write_bytes(path.read_bytes()[:-7])
    assert answer(ask()) == content
    assert decoded["users"] == 2 * USERS
    assert [str(path) in notice for notice in ask.notices] == [True]


@pytest.mark.parametrize("damaged", [False, True])
def test_an_interrupted_run_continues_to_the_same_bytes(ask, interrupt, decoded, monkeypatch, tmp_path, damaged):
    monkeypatch.setattr(run, "SHARD_USERS", 16)
    straight = ask(setup={"runs_dir": tmp_path / "straight", "batch_size": 8})
    interrupt(6)
    with pytest.raises(KeyboardInterrupt):
        ask(setup={"batch_size": 8})
    (folder,) = (tmp_path / "runs").glob("*/*/*/*/shards")
    shards = sorted(folder.iterdir())
    assert [shard.name[:5] for shard in shards] == ["00000", "00001"]
    if damaged:
        shards[0].write_bytes(shards[0].read_bytes()[:100])
    decoded.clear()
    again = ask(setup={"batch_size": 8})
    assert answer(again) == answer(straight)
    assert decoded["users"] == USERS - (16 if damaged else 32)
    assert [str(shards[0]) in notice for notice in ask.notices] == [True] * damaged
    assert not folder.exists()


def test_parts_of_another_batch_size_are_not_mixed_in(ask, interrupt, decoded, monkeypatch):
    monkeypatch.setattr(run, "SHARD_USERS", 16)
    interrupt(6)
    with pytest.raises(KeyboardInterrupt):
        ask(setup={"batch_size": 8})
    decoded.clear()
    ask(setup={"batch_size": 4})
    assert decoded["users"] == USERS
    assert "cpu in batches of 8, and can't be mixed with cpu in batches of 4" in ask.notices[0]


def test_a_full_disk_says_so_and_the_run_continues(ask, monkeypatch, decoded):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("mindrec_bench.io.atomic.os.fsync", full)
        with pytest.raises(MrbenchError, match="the disk is full"):
            ask()
    assert ask()["users"] == USERS


def test_a_run_that_another_process_computes(ask, tmp_path, data):
    spec = resolve_config(ExperimentConfig("markov", "bs", data=DATA)).spec(data)
    folder = RunFolder(spec, tmp_path / "runs", pytest.fail)
    with folder.lock(wait=False), pytest.raises(MrbenchError, match=r"is being computed by process .*--no-wait"):
        ask(setup={"wait": False})


def test_a_fitted_model_is_shared_by_decoders_and_uses_of_categories(ask, trainings):
    summaries = [ask("trained", decoder) for decoder in ("bs", "dbs-dedup", "rank-items")]
    summaries += [ask("trained", "bs", categories=categories) for categories in ("history", "given")]
    summaries += [ask("trained", "bs", eval_users=5), ask("trained", "bs", beam=3)]
    assert trainings == [True]
    assert len({summary["run"] for summary in summaries}) == len(summaries)
    assert [summary["fit"]["valid_loss"] for summary in summaries] == [[1.5, 1.25]] * len(summaries)
    ask("trained", "bs", categories="none")
    assert trainings == [True, False]
    for change in ({"seed": 1}, {"max_minutes": 9.0}, {"users": 20}, {"size": "small"}):
        ask("trained", "bs", **change)
    assert len(trainings) == 6


def test_fresh_forgets_the_fitted_model_too(ask, trainings):
    first = answer(ask("trained", "rank-items"))
    second = answer(ask("trained", "rank-items", setup={"fresh": True}))
    assert len(trainings) == 2
    assert second != first


@pytest.mark.parametrize("trained_anew", [False, True])
def test_parts_of_an_older_training_are_not_mixed_in(ask, trainings, interrupt, decoded, monkeypatch, trained_anew):
    monkeypatch.setattr(run, "SHARD_USERS", 16)
    interrupt(3)
    with pytest.raises(KeyboardInterrupt):
        ask("trained", "bs")
    ask("trained", "rank-items", setup={"fresh": trained_anew})
    decoded.clear()
    ask("trained", "bs")
    assert len(trainings) == 1 + trained_anew
    assert decoded["users"] == (USERS if trained_anew else USERS - 32)
    assert any("with weights" in notice for notice in ask.notices) == trained_anew


def test_a_damaged_model_is_fitted_again(ask, trainings, tmp_path, data):
    ask("trained", "bs")
    fit = FittedModelFolder(
        resolve_config(ExperimentConfig("trained", "bs", data=DATA)).spec(data), tmp_path / "runs", pytest.fail
    )
    (fit.path / "weights").write_text("7")
    ask("trained", "dbs-dedup")
    assert len(trainings) == 2
    assert any(str(fit.path / "weights") in notice for notice in ask.notices)
