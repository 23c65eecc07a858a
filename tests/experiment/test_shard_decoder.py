"""Parts of a run where memory is short: the batch is halved, the answer stays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from mindrec_bench.errors import MrbenchError
from mindrec_bench.experiment import run, shard_decoder
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment
from mindrec_bench.plugins import registry
from mindrec_bench.report.run_text import result_text

USERS = 60
DATA = f"arts-sim:users={USERS},items=50"


@dataclass(frozen=True, eq=False)
class Small:
    """A model that has memory for `limit` users."""

    model: object
    limit: int
    error: Exception
    asked: list

    def begin(self, histories, slots):
        self.asked.append(len(histories))
        if len(histories) > self.limit:
            raise self.error
        return self.model.begin(histories, slots)


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """ask(limit, batch_size=8): the summary with memory for so many users; `ask.asked` has the batches tried."""
    whole = registry.load("model", "markov").load

    def run(limit=USERS, store="runs", error=None, **setup):
        error = error or torch.OutOfMemoryError("CUDA out of memory.")
        model = registry.load("model", "markov")
        run.asked = []
        monkeypatch.setattr(model, "load", lambda *given: Small(whole(*given), limit, error, run.asked))
        settings = {"runs_dir": tmp_path / store, "device": "cpu", "notify": run.notices.append} | setup
        return run_experiment(
            ExperimentConfig("markov", "dbs-penalty", data=DATA, beam=3), ExecutionOptions(**settings)
        ).summary

    run.notices = []
    return run


def answer(summary):
    return [pq.ParquetFile(Path(summary["path"]) / name).read() for name in ("rankings.parquet", "metrics.parquet")]


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError("not enough memory: you tried")],
    ids=lambda error: type(error).__name__,
)
def test_the_batch_is_halved_and_the_run_goes_on(ask, monkeypatch, error):
    """Parts of 16, 16, 16 and 12 users, in batches of 8, then 4, then 2; parts that began start again."""
    monkeypatch.setattr(run, "SHARD_USERS", 16)
    whole, short = ask(store="whole", batch_size=8), ask(limit=3, batch_size=8, error=error)
    assert ask.asked == [8, 4] + [2] * 30
    assert [table.drop("score") if "score" in table.column_names else table for table in answer(short)] == [
        table.drop("score") if "score" in table.column_names else table for table in answer(whole)
    ]
    assert short["metrics"] == whole["metrics"]
    assert short["run"] == whole["run"]
    assert (short["timings"]["batch_size"], short["timings"]["smallest_batch_size"]) == (8, 2)
    assert "batch of 8, halved to 2 where memory ran out:" in result_text(short)
    assert "batch of 8:" in result_text(whole)
    assert ask.notices == [
        "memory ran out with 8 users at a time; decoding goes on with 4",
        "memory ran out with 4 users at a time; decoding goes on with 2",
    ]


def test_each_part_stores_its_batch_and_counts_its_users_once(ask, monkeypatch):
    monkeypatch.setattr(run, "SHARD_USERS", 25)
    written, counts = [], []
    write = shard_decoder.ShardDecoder.write

    def watched(self, index, rows):
        self.progress = counts.append
        written.append(write(self, index, rows))

    monkeypatch.setattr(shard_decoder.ShardDecoder, "write", watched)
    ask(limit=12)
    assert ask.asked == [25, 16, 8, 8, 8, 1, 8, 8, 8, 1, 8, 2], "128 is halved until it is less than 25"
    assert [(shard.meta.batch_size, shard.meta.used_batch_size) for shard in written] == [(128, 8)] * 3
    assert sum(counts) == USERS


def test_parts_of_halved_batches_are_kept(ask, monkeypatch):
    monkeypatch.setattr(run, "SHARD_USERS", 16)
    write = shard_decoder.ShardDecoder.write

    def stopping(self, index, rows):
        if index == 2:
            raise KeyboardInterrupt
        return write(self, index, rows)

    with monkeypatch.context() as patch:
        patch.setattr(shard_decoder.ShardDecoder, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            ask(limit=4, batch_size=8)
    summary = ask(batch_size=8)
    assert ask.asked == [8, 8, 8, 4], "two parts of 16 are there, and there is memory again"
    assert summary["timings"]["smallest_batch_size"] == 4


def test_no_memory_for_one_user(ask):
    with pytest.raises(MrbenchError, match=r"out of memory on cpu with one user at a time; take a smaller --beam, "):
        ask(limit=0, batch_size=4)
    assert ask.asked == [4, 2, 1]


def test_other_errors_are_left_alone(ask):
    with pytest.raises(RuntimeError, match="shapes differ"):
        ask(limit=0, error=RuntimeError("shapes differ"))
    assert len(ask.asked) == 1
