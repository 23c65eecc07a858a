"""Intervals over users and seeds together, and the noise of seeds, on simulated differences."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.stats import resampling
from mindrec_bench.stats.comparison import Comparison, System, compare, intervals
from mindrec_bench.stats.seeds import bootstrap_means_over_seeds, seed_noise

scipy_stats = pytest.importorskip("scipy.stats")

USERS, TRUE = 100, 0.1


def system(label: str, values: np.ndarray, seeds: tuple[int, ...]) -> System:
    """A system with these values of `ndcg@5`. Shape: (S, U)"""
    by_seed = {seed: {"ndcg@5": row} for seed, row in zip(seeds, values, strict=True)} if len(seeds) > 1 else {}
    return System(label, np.arange(values.shape[1]), {"ndcg@5": values.mean(axis=0)}, len(seeds), by_seed=by_seed)


def simulated(trial: int, seeds: int, sd_seed: float, difference: float = TRUE) -> np.ndarray:
    """Differences with effects of users (sd 1), of seeds, and of both together (sd 0.7). Shape: (S, U)"""
    rng = np.random.default_rng((9, trial))
    users, of_seeds = rng.normal(size=USERS), sd_seed * rng.normal(size=(seeds, 1))
    return difference + users + of_seeds + 0.7 * rng.normal(size=(seeds, USERS))


def compared(ours: System, theirs: System, **settings: int) -> Comparison:
    return compare(ours, [theirs], ["ndcg@5"], **{"resamples": 300, **settings})[0]["ndcg@5"]


@pytest.mark.parametrize(
    ("seeds", "sd_seed", "at_least", "at_most"),
    [
        (1, 0.0, 0.92, 0.98),
        (1, 0.5, 0.0, 0.5),  # one training says nothing of others
        (3, 0.0, 0.93, 1.0),
        (3, 0.1, 0.92, 0.98),  # seeds add a third of a variance of 1 / 100
        (3, 0.5, 0.75, 0.92),  # coarse, as the docs say
        (10, 0.5, 0.88, 0.96),
    ],
)
def test_coverage_of_a_known_difference(seeds: int, sd_seed: float, at_least: float, at_most: float) -> None:
    trials = 300
    blocks = [(simulated(trial, seeds, sd_seed), 0) for trial in range(trials)]
    low, high = resampling.percentile_interval(bootstrap_means_over_seeds(blocks, resamples=500))
    held = ((low <= TRUE) & (high >= TRUE)).sum()
    assert at_least <= held / trials <= at_most


@pytest.mark.parametrize("seeds", [2, 3, 8])
def test_the_variance_over_seeds_is_unbiased(seeds: int) -> None:
    """Without any effect of users, the variance of the samples is that of a mean of S seeds."""
    values = np.random.default_rng(seeds).normal(size=(seeds, 1)) * np.ones(20)
    samples = bootstrap_means_over_seeds([(values, 0)], resamples=40_000)
    assert samples.var() == pytest.approx(values[:, 0].var(ddof=1) / seeds, rel=0.04)


def test_one_seed_is_exactly_the_bootstrap_over_users() -> None:
    a, b = simulated(0, 1, 0.0), simulated(1, 1, 0.0)
    blocks = [(a, 0), (b, 1)]
    plain = resampling.bootstrap_means(np.concatenate([a, b]).T, resamples=500, seed=3)
    assert (bootstrap_means_over_seeds(blocks, resamples=500, seed=3) == plain).all()
    comparison = compared(system("a", a, (0,)), system("b", b, (1,)), seed=3)
    low, high = resampling.percentile_interval(resampling.bootstrap_means((b - a).T, resamples=300, seed=3))
    assert (comparison.low, comparison.high, comparison.seed_noise) == (low[0], high[0], None)
    assert comparison.above_seed_noise is None


def test_the_same_seed_of_the_bootstrap_gives_the_same_interval() -> None:
    a, b = system("a", simulated(0, 3, 0.2), (0, 1, 2)), system("b", simulated(1, 2, 0.2), (0, 1))
    assert compared(a, b) == compared(a, b)
    assert compared(a, b).low != compared(a, b, seed=1).low
    assert intervals([a], ["ndcg@5"], resamples=300) == intervals([a], ["ndcg@5"], resamples=300)


def test_runs_of_the_same_seeds_are_paired_whatever_their_order() -> None:
    """Two decoders of the same three fits: what a fit does to both cancels."""
    fits = np.array([[0.0], [1.0], [-1.0]])
    noise = np.random.default_rng(0).normal(size=(2, 3, USERS)) * 0.1
    a, b = system("a", fits + noise[0], (0, 1, 2)), system("b", (fits + noise[1] + TRUE)[[2, 0, 1]], (2, 0, 1))
    paired, other_seeds = compared(a, b), compared(a, system("b", fits + noise[1] + TRUE, (3, 4, 5)))
    assert paired.low > 0
    assert other_seeds.low < -0.5
    assert paired.above_seed_noise
    assert not other_seeds.above_seed_noise
    wide, narrow = intervals([a, system("one", fits[:1] + noise[0, :1], (0,))], ["ndcg@5"], resamples=300)
    assert wide["ndcg@5"][1] - wide["ndcg@5"][0] > 20 * (narrow["ndcg@5"][1] - narrow["ndcg@5"][0])


def test_the_noise_of_seeds_is_half_a_t_interval() -> None:
    a, b = np.random.default_rng(4).normal(size=(2, 4))
    for terms, test in (
        ([a], scipy_stats.ttest_1samp(a, 0.0)),
        ([a, -b[:3]], scipy_stats.ttest_ind(a, b[:3], equal_var=False)),
        ([a, b[:1]], scipy_stats.ttest_1samp(a, 0.0)),
    ):
        low, high = test.confidence_interval(0.95)
        assert seed_noise(terms) == pytest.approx((high - low) / 2)
    assert seed_noise([a[:1]]) is seed_noise([a[:1], b[:1]]) is None
    assert seed_noise([np.ones(3)]) == 0.0


def test_seeds_alone_are_called_a_gain_in_one_case_of_twenty() -> None:
    means = np.random.default_rng(5).normal(size=(4_000, 3))
    above = np.mean([abs(of_seeds.mean()) > seed_noise([of_seeds]) for of_seeds in means])
    assert above == pytest.approx(0.05, abs=0.011)
