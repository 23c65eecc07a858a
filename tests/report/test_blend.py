"""Blends of stored lists: ranks against a plain loop, the choice of the weight, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.report.blend import (
    WEIGHTS,
    PooledLists,
    blend_runs,
    choose_weight,
    find_validation_run,
    pool_lists,
    to_dict,
    to_text,
)
from mindrec_bench.store.runs import Run

Store = Callable[..., Run]


def lists_of(run: Run) -> dict[int, list[tuple[tuple[int, ...], float]]]:
    lists: dict[int, list[tuple[tuple[int, ...], float]]] = {}
    for row in run.rankings().to_pylist():
        lists.setdefault(row["user"], []).append((tuple(row["codes"]), row["score"]))
    return lists


def mixed_by_hand(runs: list[Run], weight: float) -> dict[int, dict[tuple[int, ...], float]]:
    mixed: dict[int, dict[tuple[int, ...], float]] = {}
    for run, share in zip(runs, (1 - weight, weight), strict=True):
        for user, results in lists_of(run).items():
            total = sum(np.exp(score) for _, score in results)
            best: dict[tuple[int, ...], float] = {}
            for codes, score in results:
                best[codes] = max(best.get(codes, 0.0), np.exp(score) / total)
            for codes, probability in best.items():
                mixed.setdefault(user, {}).setdefault(codes, 0.0)
                mixed[user][codes] += share * probability
    return mixed


@pytest.mark.parametrize("weight", [0.0, 0.35, 1.0])
def test_probabilities_and_ranks_equal_a_loop(store_run: Store, weight: float) -> None:
    runs = [store_run("markov", "bs"), store_run("pop", "bs", noise=2, hit=0.6)]
    pooled = pool_lists(*runs)
    mixed = mixed_by_hand(runs, weight)
    scores = (1 - weight) * pooled.probabilities[0] + weight * pooled.probabilities[1]
    for index, user in enumerate(pooled.users.tolist()):
        own = np.sort(scores[pooled.user == index])
        np.testing.assert_allclose(own, sorted(mixed[user].values()), atol=1e-12)
    hits = {
        run.id: dict(zip(*(run.per_user()[name].tolist() for name in ("user", "hit_rank")), strict=True))
        for run in runs
    }
    for user, rank in zip(pooled.users.tolist(), pooled.hit_ranks(weight).tolist(), strict=True):
        found = [lists_of(run)[user][hits[run.id][user] - 1][0] for run in runs if hits[run.id][user]]
        if not found:
            assert rank == 0
            continue
        target = mixed[user][found[-1]]  # the invented runs need not agree on the target; the second one's counts
        better = sum(score > target + 1e-9 for score in mixed[user].values())
        ties = sum(abs(score - target) <= 1e-9 for score in mixed[user].values())
        assert rank == 0 if target == 0 else better < rank <= better + ties


def test_the_weight_is_that_of_the_run_that_finds_the_targets() -> None:
    """The first run has the target first, the second has another item first."""
    pooled = PooledLists(
        np.arange(2), np.array([0, 0, 1, 1]), np.array([[0.9, 0.1] * 2, [0.2, 0.8] * 2]), np.array([0, 2])
    )
    assert choose_weight(pooled) == 0
    other = PooledLists(pooled.users, pooled.user, pooled.probabilities[::-1], pooled.target)
    weight = choose_weight(other)
    assert weight == 0.45, "0.2 (1 - w) + 0.9 w is above 0.8 (1 - w) + 0.1 w from w = 3 / 7 on"
    assert weight in WEIGHTS
    assert other.hit_ranks(weight).tolist() == [1, 1]
    assert other.hit_ranks(0.0).tolist() == [2, 2]


def test_what_no_list_holds_is_a_miss() -> None:
    pooled = PooledLists(np.arange(2), np.array([0, 1]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([-1, 1]))
    assert pooled.hit_ranks(0.0).tolist() == [0, 0]
    assert pooled.hit_ranks(0.5).tolist() == [0, 1]


def test_a_blend_is_reported_beside_both(store_run: Store, tmp_path: Path) -> None:
    runs = store_run("markov", "bs"), store_run("pop", "bs", noise=2, hit=0.9)
    validation = store_run("markov", "bs", split="valid"), store_run("pop", "bs", noise=2, hit=0.9, split="valid")
    assert [find_validation_run(run, tmp_path / "runs").id for run in runs] == [run.id for run in validation]
    blend = blend_runs(runs, validation, resamples=100)
    assert blend.weight == choose_weight(pool_lists(*validation)) > 0
    for column, run in enumerate(runs):
        assert blend.values["hr@10"][column] == pytest.approx(run.metrics["hr@10"])
    a, _, mixed = blend.values["ndcg@10"]
    assert mixed > a
    assert blend.comparisons[0]["ndcg@10"].difference == pytest.approx(mixed - a)
    assert f"{1 - blend.weight:g} a + {blend.weight:g} b" in to_text(blend)
    assert to_dict(blend)["values"]["ndcg@10"]["blend"] == mixed


def test_runs_without_validation_or_over_other_codes_are_refused(store_run: Store, tmp_path: Path) -> None:
    run = store_run("markov", "bs")
    with pytest.raises(UsageError, match=r"has no run on the validation items.* --split valid"):
        find_validation_run(run, tmp_path / "runs")
    with pytest.raises(UsageError, match="is on the validation items; name the run on the test items"):
        find_validation_run(store_run("markov", "bs", split="valid"), tmp_path / "runs")
    with pytest.raises(UsageError, match="different data"):
        pool_lists(run, store_run("markov", "bs", data="games"))
