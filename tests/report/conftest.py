"""Small synthetic stored runs for the report tests, written by the run store itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindrec_bench.core.backbone import FitReport
from mindrec_bench.metrics.accuracy import hr_and_ndcg
from mindrec_bench.metrics.diversity import CodeCounts
from mindrec_bench.plugins import options, registry
from mindrec_bench.store.rankings import rankings_table
from mindrec_bench.store.run_folder import RunFolder
from mindrec_bench.store.run_spec import DataSpec, DecoderSpec, ModelSpec, RunSpec
from mindrec_bench.store.run_summary import Environment, RunSummary, SlotCounts, Timings
from mindrec_bench.store.runs import Run
from mindrec_bench.store.shards import ShardMeta

SIZES = (6, 6, 6, 6)
BEAM = 10


@pytest.fixture
def store_run(tmp_path: Path) -> Callable[..., Run]:
    """Store a run under tmp_path / "runs" and return it: `store_run("markov", "bs", hit=0.5, seed=1)`."""
    return lambda *args, **changes: _store_run(tmp_path / "runs", *args, **changes)


def _store_run(root: Path, model: str, decoder: str, *, users: int = 60, hit: float = 0.3, **changes: Any) -> Run:
    """Store one run with invented hits and lists.

    Args:
        root: the run store.
        model, decoder: `NAME:key=value,...`.
        users: number of users.
        hit: share of users with a hit.
        changes: fields of the run's spec, or `data`, `noise` (a seed), `results` (per user), `users_asked`, `speed`
            (users per second), `size`, `under_trained`.
    """
    model_name, backbone = registry.make("model", model)
    decoder_name, decoder_options = registry.make("decoder", decoder)
    data, noise = changes.pop("data", "arts"), changes.pop("noise", 0)
    results = changes.pop("results", BEAM)
    users_asked, speed = changes.pop("users_asked", 5000), changes.pop("speed", 100.0)
    size, under_trained = changes.pop("size", ""), changes.pop("under_trained", False)
    spec = RunSpec(
        data=DataSpec(data.partition(":")[0].capitalize(), f"fingerprint of {data}", users),
        model=ModelSpec.of(model_name, backbone, size),
        decoder=DecoderSpec.of(decoder_name, decoder_options),
        **{"categories": "none", "beam": BEAM, **changes},
    )
    rng = np.random.default_rng((noise, spec.seed))
    ids = np.arange(users) * 3 + 1
    ranks = np.where(rng.random(users) < hit, rng.integers(1, BEAM + 1, users), 0).astype(np.int32)
    codes = rng.binomial(5, 0.2 + 0.3 * hit, size=(users, BEAM, len(SIZES)))
    codes[:, results:] = -1
    scores = -np.arange(BEAM) * np.ones((users, 1))
    filled = np.full(users, results, dtype=np.int32)
    columns = {"hit_rank": ranks, **hr_and_ndcg(ranks), "results": filled, "valid": filled, "duplicates": 0 * filled}
    counts = CodeCounts.of(codes, SIZES)
    metrics = {name: float(column.mean()) for name, column in columns.items() if "@" in name}
    metrics |= {
        "entropy": counts.entropy,
        "ttr": counts.ttr,
        "ttr_bound": counts.ttr_bound,
        "duplicates": hit / 4,
        "distinct_codes": counts.distinct,
    }
    folder = RunFolder(spec, root)
    folder.start()
    table = rankings_table(ids, codes + 100, scores, np.full(users, results))
    shard = folder.write_shard(0, table, ShardMeta("cpu", 128, users))
    fit = FitReport(2.5, 10, 100, 60.0, under_trained=under_trained) if size else None
    summary = RunSummary(
        run=spec.id,
        model=options.label(model_name, backbone),
        decoder=options.label(decoder_name, decoder_options),
        data=data,
        users_asked=users_asked,
        slots=SlotCounts(0, len(SIZES), sum(SIZES), SIZES),
        metrics=metrics,
        interactions=f"interactions of {data}",
        timings=Timings(speed, 1, 128, 128, 0.1, 0.2, 7, 2**20),
        environment=Environment("cpu", "x86_64", 1, "3.11", {}),
        fit=fit,
        finished="2026-01-01T00:00:00Z",
        command=f"mrbench run --model {model}",
    )
    return folder.finish([shard], ids, columns, summary)
