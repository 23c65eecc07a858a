"""Runs on groups of users."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_bench.data.slices import Slices
from mindrec_bench.errors import UsageError
from mindrec_bench.report.slices import compare_slices, slices_dict, slices_text
from mindrec_bench.stats.paired_tests import holm, mcnemar


@pytest.fixture
def slices():
    """The 60 users of `store_run`, and one more, in two groups of three."""
    users = np.arange(61) * 3 + 1
    return Slices("cold", users, ("in training", "cold", "nobody"), np.array([0] * 20 + [1] * 41))


def test_each_group_is_compared_on_its_users_alone(store_run, slices):
    runs = [
        store_run("markov", "bs"),
        store_run("pop", "bs", noise=1, hit=0.9),
        store_run("markov", "dbs-dedup", noise=2),
    ]
    sliced = compare_slices(runs, slices, ["hr@5", "ndcg@10"], resamples=300)
    assert [(group.name, group.users) for group in sliced.groups] == [("in training", 20), ("cold", 40)]
    p = []
    for group, rows in zip(sliced.groups, (slice(0, 20), slice(20, 60)), strict=True):
        hits = [run.per_user()["hr@5"][rows] for run in runs]
        assert group.values["hr@5"] == pytest.approx([column.mean() for column in hits])
        for number, row in enumerate(group.comparisons, start=1):
            wins, losses = (hits[number] > hits[0]).sum(), (hits[number] < hits[0]).sum()
            assert (row["hr@5"].wins, row["hr@5"].losses) == (wins, losses)
            assert row["hr@5"].p == pytest.approx(mcnemar(wins, losses))
            p.append(float(mcnemar(wins, losses)))
        for value, (low, high) in zip(group.values["ndcg@10"], group.intervals["ndcg@10"], strict=True):
            assert low <= value <= high
    corrected = [row["hr@5"].p_holm for group in sliced.groups for row in group.comparisons]
    assert corrected == pytest.approx(holm(p)), "over all groups and runs"


def test_the_text_has_a_line_for_each_group_and_run(store_run, slices):
    runs = [store_run("markov", "bs"), store_run("pop", "bs", hit=0.95)]
    sliced = compare_slices(runs, slices, ["hr@10"], resamples=300)
    lines = slices_text(sliced).splitlines()
    assert lines[0].split()[:4] == ["by", "cold", "users", "run"]
    assert [line.split()[0] for line in lines[1:5]] == ["in", runs[1].id, "cold", runs[1].id]
    assert "Holm over 2 comparisons a metric" in lines[-1]
    assert slices_dict(sliced)["groups"][1]["users"] == 40
    (alone,) = compare_slices(runs[:1], slices, ["hr@10"], resamples=300).groups[:1]
    assert alone.comparisons == ()


def test_a_metric_beyond_the_lists_is_refused(store_run, slices):
    with pytest.raises(UsageError, match=r"hr@11 of run .* is not known for each user"):
        compare_slices([store_run("markov", "bs")], slices, ["hr@11"])


def test_runs_that_differ_only_in_the_seed_are_one_line(store_run, slices):
    runs = [store_run("markov", "bs", seed=seed) for seed in (0, 1)]
    sliced = compare_slices([*runs, store_run("pop", "bs")], slices, ["hr@10"], resamples=300)
    expected = np.mean([run.per_user()["hr@10"][:20] for run in runs])
    assert sliced.groups[0].values["hr@10"][0] == pytest.approx(expected)
    text = slices_text(sliced)
    assert f"{runs[0].id} (2 seeds)" in text
    assert "the group's users and the seeds" in text


def test_a_group_of_one_user_has_no_interval(store_run):
    runs = [store_run("markov", "bs"), store_run("pop", "bs", hit=0.95)]
    slices = Slices("cold", np.arange(60) * 3 + 1, ("in training", "cold"), np.array([0] * 59 + [1]))
    sliced = compare_slices(runs, slices, ["hr@10"], resamples=300)
    assert sliced.groups[1].intervals["hr@10"] == (None, None)
    *_, first, second, _, _, _ = slices_text(sliced).splitlines()
    assert first.split()[:5] == ["cold", "1", runs[0].id, f"{sliced.groups[1].values['hr@10'][0]:.4f}", "-"]
    assert second.split()[2] == "-"
