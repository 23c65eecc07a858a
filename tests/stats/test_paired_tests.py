"""Each paired test against an independent implementation or enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from mindrec_bench.stats import paired_tests

scipy_stats = pytest.importorskip("scipy.stats")

Draw = Callable[..., np.ndarray]


COUNTS = [(0, 0), (1, 0), (2, 0), (3, 3), (14, 0), (140, 126), (30, 55), (400, 520)]


@pytest.mark.parametrize(("wins", "losses"), COUNTS)
def test_mcnemar_equals_binomtest_and_statsmodels(wins: int, losses: int) -> None:
    p = float(paired_tests.mcnemar(wins, losses))
    if wins + losses:
        assert p == pytest.approx(scipy_stats.binomtest(wins, wins + losses, 0.5).pvalue, rel=1e-9)
        mcnemar = pytest.importorskip("statsmodels.stats.contingency_tables").mcnemar
        assert p == pytest.approx(mcnemar([[7, wins], [losses, 50]], exact=True).pvalue, rel=1e-9)
    else:
        assert p == 1.0


@pytest.mark.parametrize("n", range(1, 11))
def test_mcnemar_equals_enumeration(n: int) -> None:
    heads = np.array([sum(flips) for flips in itertools.product((0, 1), repeat=n)])
    for wins in range(n + 1):
        as_extreme = np.abs(heads - n / 2) >= abs(wins - n / 2)
        assert float(paired_tests.mcnemar(wins, n - wins)) == pytest.approx(as_extreme.mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [(171, 169, 0.5, 1.0), (140, 137, 0.25, 1.0), (140, 126, 0.00012, 0.43)],
    ids=["table 6 HR@3", "table 4 HR@1", "table 2 HR@1"],
)
def test_mcnemar_range_gives_the_published_examples(a: int, b: int, low: float, high: float) -> None:
    p_range = paired_tests.mcnemar_range(a, b, 5000)
    assert p_range.low == pytest.approx(low, rel=0.02)
    assert p_range.high == pytest.approx(high, rel=0.1)


def test_mcnemar_range_equals_brute_force() -> None:
    n, a, b = 9, 7, 4
    p = []
    for both in range(n + 1):
        if both <= min(a, b) and a + b - both <= n:
            p.append(scipy_stats.binomtest(a - both, a + b - 2 * both, 0.5).pvalue)
    p_range = paired_tests.mcnemar_range(a, b, n)
    assert (p_range.low, p_range.high) == pytest.approx((min(p), max(p)))


def test_mcnemar_range_refuses_impossible_counts() -> None:
    with pytest.raises(ValueError, match="between 0 and the 10 users"):
        paired_tests.mcnemar_range(11, 3, 10)


def test_randomisation_near_the_exact_distribution(ndcg_differences: Draw) -> None:
    d = ndcg_differences(12, 4, seed=1, effect=0.4)
    signs = np.array(list(itertools.product((1, -1), repeat=12)))
    exact = (np.abs(signs @ d) >= np.abs(d.sum(axis=0)) - 1e-9).mean(axis=0)
    assert paired_tests.randomisation_test(d, resamples=20_000) == pytest.approx(exact, abs=0.015)


def test_randomisation_agrees_with_scipy(ndcg_differences: Draw) -> None:
    d = ndcg_differences(200, 3, seed=2, effect=0.12)
    for column, p in enumerate(paired_tests.randomisation_test(d, resamples=9_999, seed=5)):
        result = scipy_stats.permutation_test(
            (d[:, column],), np.mean, permutation_type="samples", n_resamples=9_999, rng=np.random.default_rng(0)
        )
        assert p == pytest.approx(result.pvalue, abs=0.02)


def test_ties_count_as_extreme() -> None:
    """The sum differs in the last bit by the order of summing; every resample of one user is a tie."""
    assert paired_tests.randomisation_test(np.array([[0.3], [0.0], [0.0]]), resamples=99) == pytest.approx(1.0)
    d = np.tile([[0.1], [0.2], [0.3], [0.7], [-0.6]], (40, 1))
    shuffled = np.random.default_rng(0).permutation(d)
    assert (
        abs(paired_tests.randomisation_test(d, seed=3)[0] - paired_tests.randomisation_test(shuffled, seed=3)[0]) < 0.02
    )


def test_identical_systems_give_p_one() -> None:
    zeros = np.zeros((50, 2))
    assert paired_tests.randomisation_test(zeros).tolist() == [1.0, 1.0]
    assert paired_tests.paired_t_test(zeros).tolist() == [1.0, 1.0]
    with pytest.warns(UserWarning, match="inflated"):
        assert paired_tests.wilcoxon_test(zeros).tolist() == [1.0, 1.0]
    assert paired_tests.effect_size(zeros).tolist() == [0.0, 0.0]


def test_smallest_p_is_one_over_resamples_plus_one() -> None:
    assert paired_tests.randomisation_test(np.ones((60, 1)), resamples=999) == pytest.approx(0.001)


def test_a_seed_fixes_p_whatever_else_is_tested(ndcg_differences: Draw) -> None:
    d = ndcg_differences(300, 5, seed=4, effect=0.05)
    together = paired_tests.randomisation_test(d, resamples=1_000, seed=9)
    alone = [paired_tests.randomisation_test(d[:, [c]], resamples=1_000, seed=9)[0] for c in range(5)]
    assert together.tolist() == alone
    assert together.tolist() != paired_tests.randomisation_test(d, resamples=1_000, seed=10).tolist()


def test_power_rises_with_the_effect(ndcg_differences: Draw) -> None:
    base = ndcg_differences(300, 1, seed=6)
    p = [paired_tests.randomisation_test(base + shift, resamples=2_000)[0] for shift in (0.0, 0.05, 0.1, 0.2)]
    assert p == sorted(p, reverse=True)
    assert p[0] > 0.05 > p[-1]


def test_paired_t_equals_scipy() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random((80, 4)), rng.random((80, 4))
    assert paired_tests.paired_t_test(a - b) == pytest.approx(scipy_stats.ttest_rel(a, b).pvalue)


def test_wilcoxon_equals_scipy_and_warns(ndcg_differences: Draw) -> None:
    d = ndcg_differences(300, 2, seed=8, effect=0.1)
    with pytest.warns(UserWarning, match="inflated errors"):
        p = paired_tests.wilcoxon_test(d)
    expected = [scipy_stats.wilcoxon(d[:, c], method="asymptotic").pvalue for c in range(2)]
    assert p == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_holm_equals_statsmodels(seed: int) -> None:
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    p = np.random.default_rng(seed).random(7) ** 3
    p[3] = p[5]
    assert paired_tests.holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_of_nothing_and_of_one() -> None:
    assert paired_tests.holm([]).tolist() == []
    assert paired_tests.holm([0.03]).tolist() == [0.03]


@pytest.mark.parametrize(("share", "gap"), [(0.02, 0.0056), (0.04, 0.0079), (0.06, 0.0097), (0.10, 0.0125)])
def test_detectable_difference(share: float, gap: float) -> None:
    assert float(paired_tests.minimum_detectable_difference(share, 5_000)) == pytest.approx(gap, abs=0.00005)


def test_detectable_difference_is_found_with_80_percent_power() -> None:
    n, share, trials = 5_000, 0.06, 2_000
    gap = float(paired_tests.minimum_detectable_difference(share, n))
    rng = np.random.default_rng(0)
    wins, losses, _ = rng.multinomial(n, [(share + gap) / 2, (share - gap) / 2, 1 - share], size=trials).T
    assert (paired_tests.mcnemar(wins, losses) <= 0.05).mean() == pytest.approx(0.8, abs=0.04)


def test_effect_size_and_wins_by_hand() -> None:
    d = np.array([[1.0, 2.0], [0.0, 2.0], [-0.5, 2.0], [0.5, 2.0]])
    assert paired_tests.effect_size(d)[0] == pytest.approx(0.25 / np.std([1, 0, -0.5, 0.5], ddof=1))
    assert paired_tests.effect_size(d)[1] == np.inf
    wins, losses, ties = paired_tests.win_loss_tie(d)
    assert (wins.tolist(), losses.tolist(), ties.tolist()) == ([2, 4], [1, 0], [1, 0])
