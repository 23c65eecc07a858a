"""Questions to the runner, and what happens meanwhile."""

from __future__ import annotations

from collections import Counter

import pytest

from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.experiment.batch_decoder import BatchDecoder
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment
from mindrec_bench.plugins import registry

from .asked import DATA, USERS, Trained


@pytest.fixture(scope="module")
def data():
    return ArtsSim(users=USERS, items=50).load(None, users=None, notify=pytest.fail)


@pytest.fixture
def ask(tmp_path):
    """ask("markov", "bs", beam=3, setup={"fresh": True}): the summary; `ask.notices` has what was said."""

    def run(model="markov", decoder="bs", setup=None, data=DATA, **question):
        settings = {"runs_dir": tmp_path / "runs", "device": "cpu", "notify": run.notices.append} | (setup or {})
        return run_experiment(
            ExperimentConfig(model, decoder, data=data, **question), ExecutionOptions(**settings)
        ).summary

    run.notices = []
    return run


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
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Trained if name == "trained" else load(kind, name))
    monkeypatch.setattr(Trained, "trainings", [])
    return Trained.trainings
