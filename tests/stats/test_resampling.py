"""Random swaps, chunks and bootstrap against NumPy and scipy."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mindrec_bench.stats import paired_tests, resampling

scipy_stats = pytest.importorskip("scipy.stats")

Draw = Callable[..., np.ndarray]


def test_sums_in_another_order_are_ties() -> None:
    """0.1 + 0.2 + 0.3 differs in the last bit by the order of summing."""
    assert resampling.count_extreme(np.array([[0.6, 0.6000000000000001, -0.6, 0.5]]), np.array([0.1 + 0.2 + 0.3])) == [
        3
    ]


def test_swaps_are_fair_and_of_the_requested_number() -> None:
    bits = resampling.random_swaps(64, 1_001, 0, 0)
    assert bits.shape == (64, 1_001)
    assert bits.mean() == pytest.approx(0.5, abs=0.01)
    assert (bits != resampling.random_swaps(64, 1_001, 0, 1)).any()


@pytest.mark.parametrize("resamples", [1, 255, 256, 257, 1_000])
def test_chunks_come_in_order_and_make_up_all_resamples(resamples: int) -> None:
    chunks = resampling.map_chunks(lambda chunk, size: (chunk, size), resamples, n_users=10)
    assert [chunk for chunk, _ in chunks] == list(range(len(chunks)))
    assert sum(size for _, size in chunks) == resamples
    assert max(size for _, size in chunks) <= resampling.CHUNK_SIZE


@pytest.mark.parametrize(("users", "threads"), [(1_000, 8), (500_000, 2), (10_000_000, 1)])
def test_many_users_take_fewer_threads(users: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pools = []
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(resampling, "ThreadPoolExecutor", lambda n: pools.append(n) or ThreadPoolExecutor(n))
    resampling.map_chunks(lambda chunk, size: size, 10_000, users)
    assert pools == [threads]


def test_the_number_of_threads_changes_nothing(ndcg_differences: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    d = ndcg_differences(120, 3, seed=12)
    parallel = paired_tests.randomisation_test(d, resamples=2_000), resampling.bootstrap_means(d, resamples=2_000)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    sequential = paired_tests.randomisation_test(d, resamples=2_000), resampling.bootstrap_means(d, resamples=2_000)
    assert [array.tolist() for array in parallel] == [array.tolist() for array in sequential]


def test_bootstrap_interval_near_scipy_and_the_normal_theory(ndcg_differences: Draw) -> None:
    d = ndcg_differences(400, 2, seed=11, effect=0.1)
    low, high = resampling.percentile_interval(resampling.bootstrap_means(d, seed=1))
    half = 1.96 * d.std(axis=0, ddof=1) / np.sqrt(len(d))
    assert (high - low) / 2 == pytest.approx(half, rel=0.05)
    reference = scipy_stats.bootstrap((d[:, 0],), np.mean, method="percentile", rng=np.random.default_rng(2))
    assert low[0] == pytest.approx(reference.confidence_interval.low, abs=0.004)
    assert high[0] == pytest.approx(reference.confidence_interval.high, abs=0.004)


def test_bootstrap_weights_draw_every_user_once_on_average() -> None:
    weights = resampling.bootstrap_weights(30, 500, 0, 0)
    assert weights.shape == (30, 500)
    assert (weights.sum(axis=0) == 30).all()
    assert weights.mean(axis=1) == pytest.approx(np.ones(30), abs=0.2)


@pytest.mark.parametrize(("users", "at_a_time"), [(30, 7), (30, 30), (31, 10)])
def test_bootstrap_weights_count_the_same_draws_however_many_at_a_time(
    users: int, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resampling, "USERS_PER_DRAW", at_a_time)
    drawn = np.random.default_rng((3, 1)).integers(0, users, size=(users, 50))
    expected = [np.bincount(column, minlength=users) for column in drawn.T]
    assert (expected == resampling.bootstrap_weights(users, 50, 3, 1).T).all()
