"""Entropy and TTR: values, swap test and bootstrap against plain counting."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from mindrec_bench.stats import diversity_tests
from mindrec_bench.stats.resampling import bootstrap_weights, random_swaps

N_CODES = 12


def lists(users: int, tokens: int, seed: int, spread: float = 1.0) -> np.ndarray:
    """Each user's code tokens, skewed; a smaller spread uses fewer codes. Shape: (users, tokens)"""
    rng = np.random.default_rng(seed)
    return np.minimum(rng.geometric(0.25 / spread, size=(users, tokens)) - 1, N_CODES - 1)


def counts(codes: np.ndarray) -> object:
    users = np.repeat(np.arange(len(codes)), codes.shape[1])
    return diversity_tests.code_counts(users, codes.ravel(), len(codes), N_CODES)


def plain(codes: np.ndarray) -> tuple[float, float]:
    """Entropy and TTR by counting in Python."""
    tokens = [code for code in codes.ravel().tolist() if code >= 0]
    shares = [count / len(tokens) for count in Counter(tokens).values()]
    return -sum(s * math.log2(s) for s in shares), len(set(tokens)) / len(tokens)


def test_diversity_equals_plain_counting() -> None:
    codes = lists(30, 8, seed=0)
    codes[3, 4:] = -1
    assert diversity_tests.diversity(counts(codes)) == pytest.approx(plain(codes))


def test_empty_lists_have_no_diversity() -> None:
    assert diversity_tests.diversity(counts(np.full((3, 4), -1))).tolist() == [0.0, 0.0]


def test_swap_test_equals_swapping_whole_lists() -> None:
    """The same bits, applied to the lists themselves, also where lists are of different lengths."""
    a, b, c = lists(20, 6, 1), lists(20, 6, 2, spread=2.0), lists(20, 6, 3)
    b[:5, 3:] = -1
    resamples = 300
    test = diversity_tests.swap_test(counts(a), [counts(b), counts(c)], resamples=resamples, seed=4)
    bits = np.concatenate([random_swaps(20, size, 4, chunk) for chunk, size in ((0, 256), (1, 44))], axis=1).astype(
        bool
    )
    for column, other in enumerate((b, c)):
        observed = np.subtract(plain(other), plain(a))
        swapped = []
        for chosen in bits.T[:, :, None]:
            swapped.append(np.subtract(plain(np.where(chosen, a, other)), plain(np.where(chosen, other, a))))
        extreme = (np.abs(swapped) >= np.abs(observed) - 1e-9).sum(axis=0)
        assert test.p[:, column] == pytest.approx((1 + extreme) / (1 + resamples))
        assert test.null_sd[:, column] == pytest.approx(np.sqrt(np.mean(np.square(swapped), axis=0)))


def test_swap_test_near_the_exact_distribution() -> None:
    a, b = lists(10, 4, 5), lists(10, 4, 6, spread=2.5)
    observed = np.subtract(plain(b), plain(a))
    every = []
    for chosen in itertools.product((True, False), repeat=10):
        mask = np.array(chosen)[:, None]
        every.append(np.subtract(plain(np.where(mask, a, b)), plain(np.where(mask, b, a))))
    exact = (np.abs(every) >= np.abs(observed) - 1e-9).mean(axis=0)
    assert diversity_tests.swap_test(counts(a), [counts(b)], resamples=20_000).p[:, 0] == pytest.approx(
        exact, abs=0.015
    )


def test_identical_lists_give_p_one() -> None:
    a = counts(lists(25, 6, 7))
    assert diversity_tests.swap_test(a, [a], resamples=99).p.tolist() == [[1.0], [1.0]]


def test_a_seed_fixes_p_whatever_else_is_tested() -> None:
    a, b, c = (counts(lists(60, 6, seed, spread)) for seed, spread in ((1, 1.0), (2, 1.2), (3, 1.1)))
    together = diversity_tests.swap_test(a, [b, c], resamples=500, seed=3)
    assert together.p[:, 1].tolist() == diversity_tests.swap_test(a, [c], resamples=500, seed=3).p[:, 0].tolist()


def test_power_rises_with_the_effect() -> None:
    base = counts(lists(200, 6, 1))
    others = [counts(lists(200, 6, 2, spread)) for spread in (1.0, 1.1, 1.3)]
    p = diversity_tests.swap_test(base, others, resamples=2_000).p[0]
    assert p[0] > 0.05 > p[2]
    assert p.tolist() == sorted(p, reverse=True)


def test_bootstrap_entropy_equals_counting_the_drawn_users() -> None:
    codes = lists(15, 5, 9)
    samples = diversity_tests.bootstrap_entropy([counts(codes), counts(codes[::-1])], resamples=40, seed=2)
    assert samples.shape == (2, 40)
    weights = bootstrap_weights(15, 40, 2, 0).astype(int)
    expected = [plain(np.repeat(codes, drawn, axis=0))[0] for drawn in weights.T]
    assert samples[0] == pytest.approx(expected)


def test_centred_interval_covers_the_expected_entropy() -> None:
    """Of this many users; the plain percentile interval lies too low to cover it."""
    samples = [counts(lists(40, 4, 1_000 + seed, spread=3.0)) for seed in range(150)]
    observed = np.array([diversity_tests.diversity(sample)[:1] for sample in samples])
    expected = observed.mean()
    inside, inside_uncentred = 0, 0
    for seed, sample in enumerate(samples):
        resampled = diversity_tests.bootstrap_entropy([sample], resamples=400, seed=seed)
        low, high = diversity_tests.centred_interval(resampled, observed[seed])
        assert low[0] <= observed[seed, 0] <= high[0]
        inside += bool(low[0] <= expected <= high[0])
        inside_uncentred += bool(np.quantile(resampled, 0.025) <= expected <= np.quantile(resampled, 0.975))
    assert 0.88 <= inside / 150 <= 1.0
    assert inside_uncentred < inside
