"""Stored runs are read as systems to compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.report.tables.run_data import load_systems
from mindrec_bench.stats.diversity_tests import diversity

from ...summaries import with_summary

Store = Callable[..., dict[str, Any]]


def test_one_run_gives_its_own_metrics(store_run: Store) -> None:
    runs = [store_run("markov", "bs"), store_run("markov", "dbs-dedup", noise=1, hit=0.6)]
    for run, system in zip(runs, load_systems([(run.id, [run]) for run in runs], with_codes=True), strict=True):
        for metric in ("hr@1", "hr@10", "ndcg@3"):
            assert system.values[metric].mean() == pytest.approx(run.summary.metrics[metric])
        expected = [run.summary.metrics["entropy"], run.summary.metrics["ttr"]]
        assert diversity(system.counts) == pytest.approx(expected)


def test_seeds_are_averaged_for_each_user_and_their_lists_are_pooled(store_run: Store) -> None:
    runs = [store_run("markov", "bs", seed=seed) for seed in (0, 1, 2)]
    (pooled,) = load_systems([("x", runs)], with_codes=True)
    single = [load_systems([("x", [run])], with_codes=True)[0] for run in runs]
    assert pooled.seeds == 3
    assert pooled.values["ndcg@5"] == pytest.approx(np.mean([one.values["ndcg@5"] for one in single], axis=0))
    assert pooled.counts.sum() == sum(one.counts.sum() for one in single) == 3 * 60 * 10 * 4


def test_category_codes_are_left_out(store_run: Store) -> None:
    run = store_run("markov", "bs")
    longer = with_summary(run, slots=replace(run.summary.slots, sid=2))
    (system,) = load_systems([("x", [longer])], with_codes=True)
    assert system.counts.sum() == 60 * 10 * 2


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"data": "games"}, "different data"), ({"users": 50}, "different evaluated users")],
)
def test_runs_over_other_data_or_users_are_refused(store_run: Store, changes: dict[str, Any], what: str) -> None:
    runs = [store_run("markov", "bs"), store_run("markov", "dbs-dedup", **changes)]
    with pytest.raises(UsageError, match=rf"runs {runs[0].id} \(arts, 60 users\) and .* can't be compared: .*{what}"):
        load_systems([(run.id, [run]) for run in runs], with_codes=False)


def test_a_damaged_file_is_named_with_the_command_that_makes_it_again(store_run: Store) -> None:
    run = store_run("markov", "bs")
    (run.path / "metrics.parquet").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"metrics\.parquet is damaged; repeat its command, .*: mrbench run"):
        load_systems([("x", [run])], with_codes=False)
