"""Nothing that is stored is computed again: finished runs, shards of runs, fitted models."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindrec_bench.errors import MrbenchError
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.context import RunContext
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.experiment.run import Coordinator, LocalGroup
from mindrec_bench.store.models import FittedModelFolder
from mindrec_bench.store.run_folder import RunFolder

from .helpers import DATA, USERS, result_bytes


def test_finished_run_is_returned(run, decoded):
    first = run()
    second = run(model="markov:decay=0.8")
    assert second == first
    assert decoded["users"] == USERS
    assert run.notices == ["this run is done already; --fresh computes it again"]


def test_fresh_computes_the_run_again(run, decoded):
    first = run()
    content = result_bytes(first)
    second = run(options={"fresh": "decode"})
    assert decoded["users"] == 2 * USERS
    assert second["run"] == first["run"]
    assert result_bytes(second) == content
    assert run.notices == []


def test_damaged_run_is_computed_again(run, decoded):
    first = run()
    content = result_bytes(first)
    path = Path(first["path"]) / "rankings.parquet"
    path.write_bytes(path.read_bytes()[:-7])
    assert result_bytes(run()) == content
    assert decoded["users"] == 2 * USERS
    assert [str(path) in notice for notice in run.notices] == [True]


@pytest.mark.parametrize("damaged", [False, True])
def test_interrupted_run_continues_to_the_same_bytes(run, interrupt, decoded, tmp_path, damaged):
    run.options["shard_users"] = 16
    uninterrupted = run(options={"runs_dir": tmp_path / "uninterrupted", "batch_size": 8})
    interrupt(6)
    with pytest.raises(KeyboardInterrupt):
        run(options={"batch_size": 8})
    (folder,) = (tmp_path / "runs").glob("*/*/*/*/shards")
    shards = sorted(folder.iterdir())
    assert [shard.name[:5] for shard in shards] == ["00000", "00001"]
    if damaged:
        shards[0].write_bytes(shards[0].read_bytes()[:100])
    decoded.clear()
    continued = run(options={"batch_size": 8})
    assert result_bytes(continued) == result_bytes(uninterrupted)
    assert decoded["users"] == USERS - (16 if damaged else 32)
    assert [str(shards[0]) in notice for notice in run.notices] == [True] * damaged
    assert not folder.exists()


def test_shards_of_another_batch_size_are_not_mixed_in(run, interrupt, decoded):
    run.options["shard_users"] = 16
    interrupt(6)
    with pytest.raises(KeyboardInterrupt):
        run(options={"batch_size": 8})
    decoded.clear()
    run(options={"batch_size": 4})
    assert decoded["users"] == USERS
    assert "cpu in batches of 8 in shards of 16, and can't be mixed with cpu in batches of 4" in run.notices[0]


def test_full_disk_is_reported_and_the_run_continues(run, monkeypatch, decoded):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("mindrec_bench.io.atomic.os.fsync", full)
        with pytest.raises(MrbenchError, match="the disk is full"):
            run()
    assert run()["users"] == USERS


def test_run_that_another_process_computes(run, tmp_path, data):
    spec = resolve_config(ExperimentConfig("markov", "bs", data=DATA)).run_spec(data)
    folder = RunFolder(spec, tmp_path / "runs")
    with folder.lock(wait=False), pytest.raises(MrbenchError, match=r"is being computed by process .*--no-wait"):
        run(options={"wait": False})


def test_fitted_model_is_shared_by_decoders_and_category_settings(run, trainings):
    summaries = [run("trained", decoder) for decoder in ("bs", "dbs-dedup", "rank-items")]
    summaries += [run("trained", "bs", categories=categories) for categories in ("history", "given")]
    summaries += [run("trained", "bs", eval_users=5), run("trained", "bs", beam=3)]
    assert trainings == [True]
    assert len({summary["run"] for summary in summaries}) == len(summaries)
    assert [summary["fit"]["valid_loss"] for summary in summaries] == [[1.5, 1.25]] * len(summaries)
    run("trained", "bs", categories="none")
    assert trainings == [True, False]
    for change in ({"seed": 1}, {"max_minutes": 9.0}, {"users": 20}, {"size": "small"}):
        run("trained", "bs", **change)
    assert len(trainings) == 6


def test_fresh_says_what_is_computed_again(run, trainings, decoded):
    first = result_bytes(run("trained", "rank-items"))
    assert result_bytes(run("trained", "rank-items", options={"fresh": "decode"})) == first
    assert (len(trainings), decoded["users"]) == (1, 2 * USERS)
    assert result_bytes(run("trained", "rank-items", options={"fresh": "all"})) != first
    assert (len(trainings), decoded["users"]) == (2, 3 * USERS)


def test_what_another_process_has_computed_meanwhile_is_fresh(run, trainings, decoded, data, tmp_path):
    """Three of these commands at once: one computes, and the others wait for it."""
    run("trained", "bs")
    context = RunContext.create(
        ExperimentConfig("trained", "bs", data=DATA),
        ExecutionOptions(runs_dir=tmp_path / "runs", device="cpu", fresh="all"),
    )
    waiting = Coordinator.of(context, LocalGroup(context, 1))
    run("trained", "bs", options={"fresh": "all"})
    assert waiting.run().reused
    assert (len(trainings), decoded["users"]) == (2, 2 * USERS)
    assert not Coordinator.of(context, LocalGroup(context, 1)).run().reused
    assert len(trainings) == 3


@pytest.mark.parametrize("retrained", [False, True])
def test_shards_of_an_older_training_are_not_mixed_in(run, trainings, interrupt, decoded, retrained):
    run.options["shard_users"] = 16
    interrupt(3)
    with pytest.raises(KeyboardInterrupt):
        run("trained", "bs")
    run("trained", "rank-items", options={"fresh": "all" if retrained else None})
    decoded.clear()
    run("trained", "bs")
    assert len(trainings) == 1 + retrained
    assert decoded["users"] == (USERS if retrained else USERS - 32)
    assert any("with weights" in notice for notice in run.notices) == retrained


def test_damaged_model_is_fitted_again(run, trainings, tmp_path, data):
    run("trained", "bs")
    fit = FittedModelFolder(
        resolve_config(ExperimentConfig("trained", "bs", data=DATA)).run_spec(data), tmp_path / "runs"
    )
    (fit.path / "weights").write_text("7")
    run("trained", "dbs-dedup")
    assert len(trainings) == 2
    assert any(str(fit.path / "weights") in notice for notice in run.notices)
