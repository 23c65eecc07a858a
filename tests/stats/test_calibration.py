"""Calibration: exchangeable systems are called different at 0.05 in about 5% of the comparisons.

300 users and 999 resamples per comparison. HR and TTR are discrete, so their tests may reject less often; the rate of
HR has a closed form, which the simulation must meet.
"""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.stats import paired_tests
from mindrec_bench.stats.diversity_tests import code_counts, swap_test

pytestmark = pytest.mark.slow  # thousands of tests
TRIALS, USERS, RESAMPLES = 2_000, 300, 999
HIT = 0.12
GAINS = np.array([0.0, 1.0, 1 / np.log2(3), 0.5])


def simulated_ranks(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of the first hit (0: none) of two exchangeable systems, with a hit rate for each user."""
    hit_rates = rng.beta(0.4, 0.4 * (1 - HIT) / HIT, size=USERS)
    a, b = (np.where(rng.random(USERS) < hit_rates, rng.integers(1, 4, USERS), 0) for _ in range(2))
    return a, b


def simulated_lists(rng: np.random.Generator) -> tuple[object, object]:
    """Code counts of two exchangeable systems: codes around each user's taste, 60 codes with a rare tail."""
    taste = rng.geometric(0.08, size=(USERS, 1))
    users = np.repeat(np.arange(USERS), 8)
    counts = []
    for _ in range(2):
        codes = np.minimum(taste + rng.geometric(0.3, size=(USERS, 8)) - 2, 59)
        counts.append(code_counts(users, codes.ravel(), USERS, 60))
    return counts[0], counts[1]


def test_hr_and_ndcg() -> None:
    rejected_ndcg, rejected_hr, discordant = 0, 0, []
    for trial in range(TRIALS):
        rng = np.random.default_rng((1, trial))
        a, b = simulated_ranks(rng)
        p = paired_tests.randomisation_test((GAINS[a] - GAINS[b])[:, None], resamples=RESAMPLES, seed=trial)[0]
        rejected_ndcg += p <= 0.05
        wins, losses = ((a > 0) & (b == 0)).sum(), ((a == 0) & (b > 0)).sum()
        discordant.append(wins + losses)
        rejected_hr += float(paired_tests.mcnemar(wins, losses)) <= 0.05
    assert 0.035 <= rejected_ndcg / TRIALS <= 0.065
    expected = np.mean([enumerated_rate(n) for n in discordant])
    error = np.sqrt(expected * (1 - expected) / TRIALS)
    assert rejected_hr / TRIALS <= 0.065
    assert rejected_hr / TRIALS == pytest.approx(expected, abs=3 * error)


def enumerated_rate(discordant: int) -> float:
    """How often exact McNemar rejects, where each discordant user is a win or a loss with probability 1/2."""
    from scipy.stats import binom

    wins = np.arange(discordant + 1)
    rejects = paired_tests.mcnemar(wins, discordant - wins) <= 0.05
    return float(binom.pmf(wins[rejects], discordant, 0.5).sum())


def test_entropy_and_ttr() -> None:
    rejected = np.zeros(2)
    for trial in range(TRIALS):
        a, b = simulated_lists(np.random.default_rng((2, trial)))
        rejected += swap_test(a, [b], resamples=RESAMPLES, seed=trial).p[:, 0] <= 0.05
    entropy, ttr = rejected / TRIALS
    assert 0.035 <= entropy <= 0.065
    assert 0 < ttr <= 0.065
