"""Run experiments on small data, and watch or interrupt them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.experiment.batch_decoder import BatchDecoder
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.run import run_experiment

from .helpers import DATA, USERS, FakeTrained


@pytest.fixture(scope="module")
def data():
    return ArtsSim(users=USERS, items=50).load(None, users=None)


@pytest.fixture
def run(tmp_path, notices):
    """run("markov", "bs", beam=3, options={"fresh": "all"}): the summary; `run.notices` has the messages.

    The options of all later calls are in `run.options`.
    """

    def run(model="markov", decoder="bs", options=None, data=DATA, **settings):
        values = {"runs_dir": tmp_path / "runs", "device": "cpu"} | run.options | (options or {})
        config = ExperimentConfig(model, decoder, data=data, **settings)
        return run_experiment(config, ExecutionOptions(**values)).run.as_dict()

    run.notices, run.options = notices, {}
    return run


@pytest.fixture
def decoded(monkeypatch):
    """Counts the users that are decoded."""
    count = Counter()
    decode = BatchDecoder.decode_batch

    def counting(self, batch, meter):
        count["users"] += len(batch)
        return decode(self, batch, meter)

    monkeypatch.setattr(BatchDecoder, "decode_batch", counting)
    return count


@pytest.fixture
def interrupt(monkeypatch, decoded):
    """interrupt(n): the n-th batch from now on is stopped by Ctrl-C."""
    decode = BatchDecoder.decode_batch

    def arm(batches):
        left = iter(range(batches - 1))

        def stopping(self, batch, meter):
            if next(left, None) is None:
                monkeypatch.setattr(BatchDecoder, "decode_batch", decode)
                raise KeyboardInterrupt
            return decode(self, batch, meter)

        monkeypatch.setattr(BatchDecoder, "decode_batch", stopping)

    return arm


@pytest.fixture
def trainings(register, monkeypatch):
    """Registers `FakeTrained` as `trained`; one entry per training, whether it used categories."""
    register("model", "trained", FakeTrained)
    monkeypatch.setattr(FakeTrained, "trainings", [])
    return FakeTrained.trainings


@pytest.fixture
def worker_functions(monkeypatch):
    """The module `worker_functions`, where worker processes find it too."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1])
    import worker_functions

    return worker_functions
