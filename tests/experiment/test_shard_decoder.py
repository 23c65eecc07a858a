"""Shards where memory is short: the batch is halved, the result stays."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.parquet as pq
import pytest
import torch

from mindrec_bench.errors import MrbenchError
from mindrec_bench.experiment import shard_decoder
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.run import run_experiment
from mindrec_bench.plugins import registry
from mindrec_bench.report.run_text import run_text

USERS = 60
DATA = f"arts-sim:users={USERS},items=50"


@dataclass(frozen=True, eq=False)
class LimitedModel:
    """A model that has memory for `limit` users; records the batch sizes."""

    model: object
    limit: int
    error: Exception
    batch_sizes: list

    def begin(self, histories, slots):
        self.batch_sizes.append(len(histories))
        if len(histories) > self.limit:
            raise self.error
        return self.model.begin(histories, slots)


@pytest.fixture
def run(monkeypatch, tmp_path, notices):
    """run(limit, batch_size=8): the summary with memory for so many users; `run.batch_sizes` has the batches tried."""
    load = registry.load("model", "markov").load

    def run(limit=USERS, store="runs", error=None, **options):
        error = error or torch.OutOfMemoryError("CUDA out of memory.")
        model = registry.load("model", "markov")
        run.batch_sizes = []
        monkeypatch.setattr(
            model, "load", lambda *arguments: LimitedModel(load(*arguments), limit, error, run.batch_sizes)
        )
        settings = {"runs_dir": tmp_path / store, "device": "cpu"} | run.options | options
        return run_experiment(
            ExperimentConfig("markov", "dbs-penalty", data=DATA, beam=3), ExecutionOptions(**settings)
        ).run

    run.notices, run.options = notices, {}
    return run


def read_tables(run):
    return [pq.ParquetFile(run.path / name).read() for name in ("rankings.parquet", "metrics.parquet")]


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError("not enough memory: you tried")],
    ids=lambda error: type(error).__name__,
)
def test_batch_is_halved_and_the_run_goes_on(run, error):
    """Shards of 16, 16, 16 and 12 users, in batches of 8, then 4, then 2; shards that began start again."""
    run.options["shard_users"] = 16
    unlimited, limited = run(store="unlimited", batch_size=8), run(limit=3, batch_size=8, error=error)
    assert run.batch_sizes == [8, 4] + [2] * 30
    assert [table.drop("score") if "score" in table.column_names else table for table in read_tables(limited)] == [
        table.drop("score") if "score" in table.column_names else table for table in read_tables(unlimited)
    ]
    assert limited.summary.metrics == unlimited.summary.metrics
    assert limited.id == unlimited.id
    assert (limited.summary.timings.batch_size, limited.summary.timings.smallest_batch_size) == (8, 2)
    assert "batch of 8, halved to 2 where memory ran out:" in run_text(limited)
    assert "batch of 8:" in run_text(unlimited)
    assert run.notices == [
        "memory ran out with 8 users at a time; decoding goes on with 4",
        "memory ran out with 4 users at a time; decoding goes on with 2",
    ]


def test_shards_store_their_batch_size_and_count_their_users_once(run, monkeypatch):
    run.options["shard_users"] = 25
    written, counts = [], []
    write = shard_decoder.ShardDecoder.write

    def recording(self, index, rows):
        self.progress = counts.append
        written.append(write(self, index, rows))

    monkeypatch.setattr(shard_decoder.ShardDecoder, "write", recording)
    run(limit=12)
    assert run.batch_sizes == [25, 16, 8, 8, 8, 1, 8, 8, 8, 1, 8, 2], "128 is halved until it is less than 25"
    assert [(shard.meta.batch_size, shard.meta.used_batch_size) for shard in written] == [(128, 8)] * 3
    assert sum(counts) == USERS


def test_shards_of_halved_batches_are_kept(run, monkeypatch):
    run.options["shard_users"] = 16
    write = shard_decoder.ShardDecoder.write

    def stopping(self, index, rows):
        if index == 2:
            raise KeyboardInterrupt
        return write(self, index, rows)

    with monkeypatch.context() as patch:
        patch.setattr(shard_decoder.ShardDecoder, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(limit=4, batch_size=8)
    resumed = run(batch_size=8)
    assert run.batch_sizes == [8, 8, 8, 4], "two shards of 16 are stored, and there is memory again"
    assert resumed.summary.timings.smallest_batch_size == 4


def test_no_memory_for_one_user(run):
    with pytest.raises(MrbenchError, match=r"out of memory on cpu with one user at a time; use a smaller --beam, "):
        run(limit=0, batch_size=4)
    assert run.batch_sizes == [4, 2, 1]


def test_other_errors_are_raised(run):
    with pytest.raises(RuntimeError, match="shapes differ"):
        run(limit=0, error=RuntimeError("shapes differ"))
    assert len(run.batch_sizes) == 1
