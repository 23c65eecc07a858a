"""Leaderboards: which runs share one, what they are compared with, and the numbers they show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.metrics.accuracy import hr_and_ndcg
from mindrec_bench.report.site.leaderboards import build_leaderboards
from mindrec_bench.stats.resampling import bootstrap_means, percentile_interval


def test_runs_over_the_same_users_share_a_leaderboard_and_the_best_counting_baseline_is_the_reference(store_run):
    learned = store_run("llada", "bs", hit=0.9, size="small")
    better, worse = store_run("markov", "rank-items", hit=0.5), store_run("pop", "rank-items", hit=0.1)
    told = store_run("markov", "bs", hit=0.99, categories="given")
    elsewhere = store_run("pop", "bs", data="games")
    first, *others = build_leaderboards([worse, told, learned, elsewhere, better])
    assert [entry.run.id for entry in first.entries] == [learned.id, better.id, worse.id]
    assert (first.name, first.title) == ("arts-60-users", "Arts, 60 users")
    assert first.reference.run.id == first.best_by_counting.run.id == better.id
    assert {board.title for board in others} == {"Arts, 60 users, true categories given", "Games, 60 users"}
    assert len({board.name for board in (first, *others)}) == 3


def test_a_reference_is_taken_and_one_that_does_not_fit_is_refused(store_run):
    runs = [store_run("markov", "bs", hit=0.5), store_run("pop", "bs", hit=0.1), store_run("pop", "bs", data="games")]
    boards = build_leaderboards(runs, [runs[1]])
    assert boards[0].reference.run is runs[1]
    assert boards[1].reference.run is runs[2]
    with pytest.raises(UsageError, match="same leaderboard"):
        build_leaderboards(runs, runs[:2])
    with pytest.raises(UsageError, match="none of the runs"):
        build_leaderboards(runs[:2], [runs[2]])


def test_p_values_of_ndcg_are_those_of_compare(store_run):
    from mindrec_bench.report.compare import compare_runs

    reference, other = store_run("markov", "bs", hit=0.3), store_run("llada", "bs", hit=0.5, noise=1, size="small")
    (board,) = build_leaderboards([reference, other])
    compared = compare_runs([reference, other]).comparisons[0]
    assert board.p_values == {other.id: {m: compared[m].p for m in ("ndcg@5", "ndcg@10")}}
    assert 0 < board.p_values[other.id]["ndcg@10"] < 1


def test_short_lists_have_no_test_at_longer_k(store_run):
    short = store_run("llada", "bs", beam=5, size="small")
    (board,) = build_leaderboards([store_run("markov", "bs"), short])
    assert set(board.p_values[short.id]) == {"ndcg@5"}


def test_intervals_are_those_of_a_bootstrap_over_users(store_run):
    run = store_run("markov", "bs", hit=0.4, users=400)
    (board,) = build_leaderboards([run])
    (entry,) = board.entries
    columns = hr_and_ndcg(entry.hit_ranks)
    low, high = percentile_interval(bootstrap_means(np.stack(list(columns.values()), axis=1)))
    found = np.array([entry.intervals[metric] for metric in columns])
    np.testing.assert_allclose(found, np.stack([low, high], axis=1), atol=0.005)
    assert (found[:, 0] < [column.mean() for column in columns.values()]).all()


def test_a_damaged_run_is_left_out_with_a_notice(store_run, caplog):
    whole, damaged = store_run("markov", "bs"), store_run("pop", "bs")
    (damaged.path / "metrics.parquet").write_bytes(b"")
    (board,) = build_leaderboards([whole, damaged])
    assert [entry.run.id for entry in board.entries] == [whole.id]
    assert "left out" in caplog.text


def test_plugins_of_one_name_are_told_apart_by_their_code(store_run):
    (board,) = build_leaderboards([store_run("markov", "bs"), store_run("pop", "bs")])
    run = board.entries[0].run
    other = replace(run, spec=replace(run.spec, decoder=replace(run.spec.decoder, code="abc123")))
    board = replace(board, entries=(*board.entries, replace(board.entries[0], run=other)))
    assert [any("code" in word for word in board.settings(entry)) for entry in board.entries] == [False, False, True]
    assert board.settings(board.entries[2])[-1] == "code of the decoder abc123"
