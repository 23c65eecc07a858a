"""The fields of comparisons of several systems, metric by metric."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mindrec_bench.stats import paired_tests
from mindrec_bench.stats.comparison import System, compare, intervals
from mindrec_bench.stats.diversity_tests import bootstrap_entropy, code_counts, diversity, swap_test

USERS, METRICS = 200, ("hr@1", "ndcg@3", "entropy", "ttr")


def system(label: str, seed: int, seeds: int = 1, hit: float = 0.2) -> System:
    rng = np.random.default_rng(seed)
    ranks = np.where(rng.random((seeds, USERS)) < hit, rng.integers(1, 4, (seeds, USERS)), 0)
    gains = np.array([0.0, 1.0, 1 / np.log2(3), 0.5])
    codes = rng.geometric(0.1, size=USERS * 8 * seeds).clip(max=80) - 1
    return System(
        label,
        np.arange(USERS),
        {"hr@1": (ranks == 1).mean(axis=0), "ndcg@3": gains[ranks].mean(axis=0)},
        seeds,
        code_counts(np.repeat(np.arange(USERS), 8 * seeds), codes, USERS, 80),
    )


REFERENCE = system("reference", 0)
OTHERS = [system("same hits", 1), system("better", 2, hit=0.5), system("worse", 3, hit=0.1)]


def test_every_number_of_a_comparison() -> None:
    rows = compare(REFERENCE, OTHERS, METRICS, resamples=500, seed=7)
    assert [list(row) for row in rows] == [list(METRICS)] * 3
    for other, row in zip(OTHERS, rows, strict=True):
        d = other.values["hr@1"] - REFERENCE.values["hr@1"]
        hr = row["hr@1"]
        assert (hr.test, row["ndcg@3"].test, row["entropy"].test, row["ttr"].test) == (
            "mcnemar", "randomisation", "swap", "swap",
        )  # fmt: skip
        assert (hr.wins, hr.losses, hr.ties) == ((d > 0).sum(), (d < 0).sum(), (d == 0).sum())
        assert hr.p == pytest.approx(float(paired_tests.mcnemar(hr.wins, hr.losses)))
        assert hr.difference == pytest.approx(d.mean())
        assert hr.effect == pytest.approx(d.mean() / d.std(ddof=1))
        assert hr.detectable == pytest.approx(2.8016 * np.sqrt((d != 0).mean() / USERS), rel=1e-4)
        for comparison in row.values():
            assert comparison.low is None or comparison.low <= comparison.difference <= comparison.high
        assert row["ttr"].low is row["ttr"].effect is row["entropy"].wins is None
        swapped = swap_test(REFERENCE.counts, [other.counts], resamples=500, seed=7)
        assert (row["entropy"].p, row["ttr"].p) == tuple(swapped.p[:, 0])
        assert row["entropy"].difference == pytest.approx(diversity(other.counts)[0] - diversity(REFERENCE.counts)[0])


def test_holm_over_the_rows_of_each_metric() -> None:
    rows = compare(REFERENCE, OTHERS, METRICS, resamples=500)
    for metric in METRICS:
        expected = paired_tests.holm([row[metric].p for row in rows])
        assert [row[metric].p_holm for row in rows] == pytest.approx(expected)


def test_hr_of_several_seeds_is_tested_as_ndcg_is() -> None:
    three_seeds = system("three seeds", 5, seeds=3)
    comparison = compare(REFERENCE, [three_seeds], ("hr@1",), resamples=500, seed=1)[0]["hr@1"]
    d = three_seeds.values["hr@1"] - REFERENCE.values["hr@1"]
    assert comparison.test == "randomisation"
    assert comparison.p == pytest.approx(float(paired_tests.randomisation_test(d[:, None], resamples=500, seed=1)[0]))


def test_other_tests_on_request_leave_exact_hr_alone() -> None:
    rows = compare(REFERENCE, OTHERS, ("hr@1", "ndcg@3"), test="t", resamples=200)
    assert {row["hr@1"].test for row in rows} == {"mcnemar"}
    assert {row["ndcg@3"].test for row in rows} == {"t"}
    with pytest.warns(UserWarning, match="inflated"):
        compare(REFERENCE, OTHERS, ("ndcg@3",), test="wilcoxon", resamples=200)


def test_the_same_seed_gives_the_same_numbers() -> None:
    assert compare(REFERENCE, OTHERS, METRICS, resamples=300) == compare(REFERENCE, OTHERS, METRICS, resamples=300)


def test_a_system_against_itself() -> None:
    for comparison in compare(REFERENCE, [REFERENCE], METRICS, resamples=300)[0].values():
        assert (comparison.difference, comparison.p) == (0.0, 1.0)


def test_a_system_without_lists_or_a_metric_is_compared_on_the_rest() -> None:
    bare = System("bare", REFERENCE.users, {"ndcg@3": OTHERS[0].values["ndcg@3"]})
    assert [list(row) for row in compare(REFERENCE, [bare, OTHERS[0]], METRICS, resamples=100)] == [
        ["ndcg@3"],
        list(METRICS),
    ]


def test_different_users_are_refused() -> None:
    other = System("other", REFERENCE.users + 1, REFERENCE.values)
    with pytest.raises(ValueError, match="'other' and 'reference' have different users"):
        compare(REFERENCE, [other], METRICS)


def test_intervals_of_single_systems() -> None:
    ends = intervals([REFERENCE, OTHERS[1]], METRICS, resamples=400, seed=2)
    assert list(ends[0]) == ["hr@1", "ndcg@3", "entropy"]
    low, high = ends[0]["hr@1"]
    assert low < REFERENCE.values["hr@1"].mean() < high
    assert ends[1]["hr@1"][0] > high
    samples = bootstrap_entropy([REFERENCE.counts], resamples=400, seed=2)
    assert ends[0]["entropy"][1] - ends[0]["entropy"][0] == pytest.approx(
        np.subtract(*np.quantile(samples, [0.975, 0.025]))
    )


@pytest.mark.parametrize("test", ["randomisation", "t"])
def test_one_user_has_no_interval_and_no_detectable_difference(test) -> None:
    def one(value: float, code: int) -> System:
        counts = code_counts(np.zeros(8, dtype=int), np.full(8, code), 1, 4)
        return System(str(code), np.arange(1), {"hr@1": np.array([value]), "ndcg@3": np.array([value])}, 1, counts)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (row,) = compare(one(0.0, 0), [one(1.0, 1)], METRICS, test=test, resamples=50)
        assert intervals([one(1.0, 1)], METRICS, resamples=50) == [{}]
    assert list(row) == list(METRICS)
    for c in row.values():
        assert c.low is c.high is c.detectable is c.effect is None
    assert (row["hr@1"].difference, row["hr@1"].wins, row["hr@1"].p) == (1.0, 1, 1.0)
