"""Each test against an independent implementation or enumeration."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mindrec_bench.stats import paired_tests as stats
from mindrec_bench.stats import resampling

scipy_stats = pytest.importorskip("scipy.stats")


def ndcg_differences(users: int, columns: int, seed: int, effect: float = 0.0) -> np.ndarray:
    """Differences with many ties and zeros, as NDCG has them."""
    rng = np.random.default_rng(seed)
    gains = np.array([0, 0, 0, 1.0, 1 / np.log2(3), 0.5, 1 / np.log2(11)])
    a, b = (gains[rng.integers(0, len(gains), size=(users, columns))] for _ in range(2))
    return a - b + effect * rng.random((users, columns))


COUNTS = [(0, 0), (1, 0), (2, 0), (3, 3), (14, 0), (140, 126), (30, 55), (400, 520)]


@pytest.mark.parametrize(("wins", "losses"), COUNTS)
def test_mcnemar_equals_binomtest_and_statsmodels(wins: int, losses: int) -> None:
    p = float(stats.mcnemar(wins, losses))
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
        as_far = np.abs(heads - n / 2) >= abs(wins - n / 2)
        assert float(stats.mcnemar(wins, n - wins)) == pytest.approx(as_far.mean(), rel=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [(171, 169, 0.5, 1.0), (140, 137, 0.25, 1.0), (140, 126, 0.00012, 0.43)],
    ids=["table 6 HR@3", "table 4 HR@1", "table 2 HR@1"],
)
def test_mcnemar_range_gives_the_published_examples(a: int, b: int, low: float, high: float) -> None:
    found = stats.mcnemar_range(a, b, 5000)
    assert found.low == pytest.approx(low, rel=0.02)
    assert found.high == pytest.approx(high, rel=0.1)


def test_mcnemar_range_equals_brute_force() -> None:
    n, a, b = 9, 7, 4
    p = []
    for both in range(n + 1):
        if both <= min(a, b) and a + b - both <= n:
            p.append(scipy_stats.binomtest(a - both, a + b - 2 * both, 0.5).pvalue)
    found = stats.mcnemar_range(a, b, n)
    assert (found.low, found.high) == pytest.approx((min(p), max(p)))


def test_mcnemar_range_refuses_impossible_counts() -> None:
    with pytest.raises(ValueError, match="between 0 and the 10 users"):
        stats.mcnemar_range(11, 3, 10)


def test_randomisation_near_the_exact_distribution() -> None:
    d = ndcg_differences(12, 4, seed=1, effect=0.4)
    signs = np.array(list(itertools.product((1, -1), repeat=12)))
    exact = (np.abs(signs @ d) >= np.abs(d.sum(axis=0)) - 1e-9).mean(axis=0)
    assert stats.randomisation(d, resamples=20_000) == pytest.approx(exact, abs=0.015)


def test_randomisation_agrees_with_scipy() -> None:
    d = ndcg_differences(200, 3, seed=2, effect=0.12)
    for column, p in enumerate(stats.randomisation(d, resamples=9_999, seed=5)):
        result = scipy_stats.permutation_test(
            (d[:, column],), np.mean, permutation_type="samples", n_resamples=9_999, rng=np.random.default_rng(0)
        )
        assert p == pytest.approx(result.pvalue, abs=0.02)


def test_ties_count_as_extreme() -> None:
    """0.1 + 0.2 + 0.3 differs in the last bit by the order of summing; every resample of one user is a tie."""
    assert stats.randomisation(np.array([[0.3], [0.0], [0.0]]), resamples=99) == pytest.approx(1.0)
    d = np.tile([[0.1], [0.2], [0.3], [0.7], [-0.6]], (40, 1))
    shuffled = np.random.default_rng(0).permutation(d)
    assert abs(stats.randomisation(d, seed=3)[0] - stats.randomisation(shuffled, seed=3)[0]) < 0.02
    assert resampling.count_extreme(np.array([[0.6, 0.6000000000000001, -0.6, 0.5]]), np.array([0.1 + 0.2 + 0.3])) == [
        3
    ]


def test_identical_systems_give_p_one() -> None:
    nothing = np.zeros((50, 2))
    assert stats.randomisation(nothing).tolist() == [1.0, 1.0]
    assert stats.paired_t(nothing).tolist() == [1.0, 1.0]
    with pytest.warns(UserWarning, match="inflated"):
        assert stats.wilcoxon(nothing).tolist() == [1.0, 1.0]
    assert stats.effect_size(nothing).tolist() == [0.0, 0.0]


def test_smallest_p_is_one_over_resamples_plus_one() -> None:
    assert stats.randomisation(np.ones((60, 1)), resamples=999) == pytest.approx(0.001)


def test_a_seed_fixes_p_whatever_stands_beside_it() -> None:
    d = ndcg_differences(300, 5, seed=4, effect=0.05)
    together = stats.randomisation(d, resamples=1_000, seed=9)
    alone = [stats.randomisation(d[:, [c]], resamples=1_000, seed=9)[0] for c in range(5)]
    assert together.tolist() == alone
    assert together.tolist() != stats.randomisation(d, resamples=1_000, seed=10).tolist()


def test_swap_bits_are_fair_and_of_the_asked_number() -> None:
    bits = resampling.random_swaps(64, 1_001, 0, 0)
    assert bits.shape == (64, 1_001)
    assert bits.mean() == pytest.approx(0.5, abs=0.01)
    assert (bits != resampling.random_swaps(64, 1_001, 0, 1)).any()


@pytest.mark.parametrize("resamples", [1, 255, 256, 257, 1_000])
def test_chunks_come_in_order_and_make_up_all_resamples(resamples: int) -> None:
    chunks = resampling.over_chunks(lambda chunk, size: (chunk, size), resamples, n_users=10)
    assert [chunk for chunk, _ in chunks] == list(range(len(chunks)))
    assert sum(size for _, size in chunks) == resamples
    assert max(size for _, size in chunks) <= resampling.CHUNK


@pytest.mark.parametrize(("users", "threads"), [(1_000, 8), (500_000, 2), (10_000_000, 1)])
def test_many_users_take_fewer_threads(users: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(resampling, "ThreadPoolExecutor", lambda n: asked.append(n) or ThreadPoolExecutor(n))
    resampling.over_chunks(lambda chunk, size: size, 10_000, users)
    assert asked == [threads]


def test_the_number_of_threads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    d = ndcg_differences(120, 3, seed=12)
    several = stats.randomisation(d, resamples=2_000), resampling.bootstrap_means(d, resamples=2_000)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    alone = stats.randomisation(d, resamples=2_000), resampling.bootstrap_means(d, resamples=2_000)
    assert [part.tolist() for part in several] == [part.tolist() for part in alone]


def test_power_rises_with_the_effect() -> None:
    base = ndcg_differences(300, 1, seed=6)
    p = [stats.randomisation(base + shift, resamples=2_000)[0] for shift in (0.0, 0.05, 0.1, 0.2)]
    assert p == sorted(p, reverse=True)
    assert p[0] > 0.05 > p[-1]


def test_paired_t_equals_scipy() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random((80, 4)), rng.random((80, 4))
    assert stats.paired_t(a - b) == pytest.approx(scipy_stats.ttest_rel(a, b).pvalue)


def test_wilcoxon_equals_scipy_and_warns() -> None:
    d = ndcg_differences(300, 2, seed=8, effect=0.1)
    with pytest.warns(UserWarning, match="inflated errors"):
        found = stats.wilcoxon(d)
    expected = [scipy_stats.wilcoxon(d[:, c], method="asymptotic").pvalue for c in range(2)]
    assert found == pytest.approx(expected)


def test_bootstrap_interval_near_scipy_and_the_normal_theory() -> None:
    d = ndcg_differences(400, 2, seed=11, effect=0.1)
    low, high = resampling.interval(resampling.bootstrap_means(d, seed=1))
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
    monkeypatch.setattr(resampling, "DRAWN_USERS", at_a_time)
    drawn = np.random.default_rng((3, 1)).integers(0, users, size=(users, 50))
    expected = [np.bincount(column, minlength=users) for column in drawn.T]
    assert (expected == resampling.bootstrap_weights(users, 50, 3, 1).T).all()


@pytest.mark.parametrize("seed", range(5))
def test_holm_equals_statsmodels(seed: int) -> None:
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    p = np.random.default_rng(seed).random(7) ** 3
    p[3] = p[5]
    assert stats.holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_of_nothing_and_of_one() -> None:
    assert stats.holm([]).tolist() == []
    assert stats.holm([0.03]).tolist() == [0.03]


@pytest.mark.parametrize(("share", "gap"), [(0.02, 0.0056), (0.04, 0.0079), (0.06, 0.0097), (0.10, 0.0125)])
def test_detectable_difference(share: float, gap: float) -> None:
    assert float(stats.minimum_detectable_difference(share, 5_000)) == pytest.approx(gap, abs=0.00005)


def test_detectable_difference_is_found_with_80_percent_power() -> None:
    n, share, trials = 5_000, 0.06, 2_000
    gap = float(stats.minimum_detectable_difference(share, n))
    rng = np.random.default_rng(0)
    wins, losses, _ = rng.multinomial(n, [(share + gap) / 2, (share - gap) / 2, 1 - share], size=trials).T
    assert (stats.mcnemar(wins, losses) <= 0.05).mean() == pytest.approx(0.8, abs=0.04)


def test_effect_size_and_outcomes_by_hand() -> None:
    d = np.array([[1.0, 2.0], [0.0, 2.0], [-0.5, 2.0], [0.5, 2.0]])
    assert stats.effect_size(d)[0] == pytest.approx(0.25 / np.std([1, 0, -0.5, 0.5], ddof=1))
    assert stats.effect_size(d)[1] == np.inf
    wins, losses, ties = stats.outcomes(d)
    assert (wins.tolist(), losses.tolist(), ties.tolist()) == ([2, 4], [1, 0], [1, 0])
