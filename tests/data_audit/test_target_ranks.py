"""Ranks of targets are those of runs."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.data.simulation.arts_sim import ArtsSim
from mindrec_bench.data_audit.target_ranks import BASELINES, rank_targets
from mindrec_bench.experiment.config import ExecutionOptions, ExperimentConfig
from mindrec_bench.experiment.run import run_experiment

DATA = "arts-sim:users=80,items=50"


@pytest.mark.parametrize("model", BASELINES)
def test_hits_are_those_of_a_run(tmp_path, model: str) -> None:
    options = ExecutionOptions(runs_dir=tmp_path, device="cpu")
    run = run_experiment(ExperimentConfig(model, "rank-items", data=DATA, categories="none"), options).run
    data = ArtsSim(users=80, items=50).load(None, users=None)
    ranks = rank_targets(data, model)
    for k in (1, 3, 5, 10):
        assert ranks.hits(k).mean() == pytest.approx(run.summary.metrics[f"hr@{k}"], abs=1e-12)
    items = run.rankings(["user", "rank", "item"])
    targets = {user: str(item) for user, item in zip(data.users.tolist(), data.test().targets.tolist(), strict=True)}
    hit = {
        row["user"]: row["rank"]
        for row in items.to_pylist()
        if data.item_ids.index(row["item"]) == int(targets[row["user"]])
    }
    assert np.flatnonzero(ranks.hits(10, by="item")).tolist() == sorted(hit)
    assert [ranks.item[user] for user in sorted(hit)] == [hit[user] for user in sorted(hit)]
