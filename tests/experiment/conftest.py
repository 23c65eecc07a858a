"""Run experiments on small data, and watch or interrupt them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.experiment.batch_decoder import BatchDecoder
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.run import run_experiment
from mindrec_bench.plugins import registry

from .helpers import DATA, USERS, FakeTrained


@pytest.fixture(scope="module")
def data():
    return ArtsSim(users=USERS, items=50).load(None, users=None)


@pytest.fixture
def run(tmp_path, notices):
    """run("markov", "bs", beam=3, options={"fresh": True}): the summary; `run.notices` has the messages."""

    def run(model="markov", decoder="bs", options=None, data=DATA, **settings):
        values = {"runs_dir": tmp_path / "runs", "device": "cpu"} | (options or {})
        config = ExperimentConfig(model, decoder, data=data, **settings)
        return run_experiment(config, ExecutionOptions(**values)).run.as_dict()

    run.notices = notices
    return run


@pytest.fixture
def set_shard_size(monkeypatch):
    """set_shard_size(16): shards have 16 users from now on."""
    return lambda users: monkeypatch.setattr("mindrec_bench.experiment.run.USERS_PER_SHARD", users)


@pytest.fixture
def decoded(monkeypatch):
    """Counts the users that are decoded."""
    count = Counter()
    decode = BatchDecoder._decode

    def counting(self, batch, meter):
        count["users"] += len(batch)
        return decode(self, batch, meter)

    monkeypatch.setattr(BatchDecoder, "_decode", counting)
    return count


@pytest.fixture
def interrupt(monkeypatch, decoded):
    """interrupt(n): the n-th batch from now on is stopped by Ctrl-C."""
    decode = BatchDecoder._decode

    def arm(batches):
        left = iter(range(batches - 1))

        def stopping(self, batch, meter):
            if next(left, None) is None:
                monkeypatch.setattr(BatchDecoder, "_decode", decode)
                raise KeyboardInterrupt
            return decode(self, batch, meter)

        monkeypatch.setattr(BatchDecoder, "_decode", stopping)

    return arm


@pytest.fixture
def trainings(monkeypatch):
    """Registers `FakeTrained` as `trained`; one entry per training, whether it used categories."""
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: FakeTrained if name == "trained" else load(kind, name))
    monkeypatch.setattr(FakeTrained, "trainings", [])
    return FakeTrained.trainings


@pytest.fixture
def worker_functions(monkeypatch):
    """The module `worker_functions`, where worker processes find it too."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    import worker_functions

    return worker_functions
