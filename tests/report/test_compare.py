"""Runs compared with the first one: the numbers, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.report.compare import compare_runs, to_dict, to_text
from mindrec_bench.store.run_folder import RunFolder

from ..summaries import with_summary

Store = Callable[..., dict[str, Any]]
METRICS = ["hr@1", "hr@3", "hr@5", "hr@10", "ndcg@3", "ndcg@5", "ndcg@10", "entropy", "ttr"]


def test_every_metric_of_every_run_is_compared_with_the_first(store_run: Store) -> None:
    runs = [store_run("markov", "bs"), store_run("markov", "dbs-dedup", noise=1), store_run("pop", "bs", hit=0.9)]
    comparison = compare_runs(runs, resamples=300)
    assert (comparison.n_users, len(comparison.comparisons)) == (60, 2)
    assert list(comparison.comparisons[0]) == METRICS
    assert comparison.values["hr@10"] == pytest.approx([run.summary.metrics["hr@10"] for run in runs])
    text = to_text(comparison)
    assert f"reference  {runs[0].id}  markov x bs, categories none, seed 42\non arts, 60 users" in text
    best = comparison.comparisons[1]["hr@10"]
    (line,) = [line for line in text.partition("pop x bs")[2].splitlines() if line.startswith("HR@10")]
    assert f"{best.difference:+.4f}*" in line
    assert f"{best.wins}/{best.losses}/{best.ties}" in line
    assert f"{best.detectable:.4f}" in line
    assert "Holm over 2 comparisons a metric, * at 0.05" in text
    parsed = json.loads(json.dumps(to_dict(comparison)))
    assert parsed["comparisons"][runs[2].id]["hr@10"]["p"] == best.p


def test_identical_runs_show_no_difference(store_run: Store) -> None:
    comparison = compare_runs([store_run("markov", "bs"), store_run("pop", "bs")], resamples=200)
    assert {comparison.p for comparison in comparison.comparisons[0].values()} == {1.0}


def test_the_same_seed_gives_the_same_text(store_run: Store) -> None:
    runs = [store_run("markov", "bs"), store_run("pop", "bs", noise=3)]
    assert to_text(compare_runs(runs, resamples=200)) == to_text(compare_runs(runs, resamples=200))


def test_different_semantic_ids_of_the_same_interactions(store_run: Store) -> None:
    """Such runs have different fingerprints; their hits are compared user by user, their codes are not."""
    ours, theirs = store_run("markov", "bs"), store_run("markov", "bs", data="games", noise=1)
    with pytest.raises(UsageError, match="different data"):
        compare_runs([ours, theirs])
    comparison = compare_runs([with_summary(run, interactions="same") for run in (ours, theirs)], resamples=200)
    assert list(comparison.comparisons[0]) == METRICS[:-2]
    assert comparison.values["hr@10"] == pytest.approx([run.summary.metrics["hr@10"] for run in (ours, theirs)])
    note = "different semantic IDs of the same items"
    assert note in to_text(comparison)
    assert note not in to_text(compare_runs([ours, store_run("pop", "bs")], resamples=200))


def test_runs_that_can_not_be_compared_are_refused(store_run: Store) -> None:
    run = store_run("markov", "bs")
    with pytest.raises(UsageError, match="at least two runs"):
        compare_runs([run])
    with pytest.raises(UsageError, match=f"run {run.id} is named twice"):
        compare_runs([run, run])
    with pytest.raises(UsageError, match="different data"):
        compare_runs([run, store_run("markov", "bs", data="games")])
    with pytest.raises(UsageError, match=r"60 users\) and .*50 users\) can't be compared"):
        compare_runs([run, store_run("markov", "dbs-dedup", users=50)])


def test_metrics_at_k_need_lists_of_k(store_run: Store) -> None:
    long, short = store_run("markov", "bs"), store_run("markov", "dbs-dedup", beam=5, results=5)
    comparison = compare_runs([long, short], resamples=50)
    assert comparison.values["ndcg@10"] == (pytest.approx(long.summary.metrics["ndcg@10"]), None)
    assert {"hr@10", "ndcg@10", "entropy", "ttr"} == {*comparison.values} - {*comparison.comparisons[0]}
    lines = to_text(comparison).splitlines()
    (line,) = [line.split() for line in lines if line.startswith("HR@10")]
    assert line == ["HR@10↑", f"{long.summary.metrics['hr@10']:.4f}", "-"]
    assert f"Lists of another length than the reference's ({short.id})" in to_text(comparison)
    assert "Left out" not in to_text(comparison)
    beyond = compare_runs([long, short], ks=(5, 11, 12), resamples=50)
    assert "Left out: @11, @12, since the longest of the lists has 10 results." in to_text(beyond)
    assert json.loads(json.dumps(to_dict(beyond)))["ks_left_out"] == [11, 12]


def trained(run: Any, weights: str, *, epochs: float = 2.5, **changes: Any) -> Any:
    return with_summary(run, weights=weights, fit=replace(run.summary.fit, epochs=epochs), **changes)


def test_unlike_trainings_are_said_and_not_marked(store_run: Store) -> None:
    sizes = {"size": "tiny", "max_minutes": 5.0}
    first = store_run("llada", "bs", hit=0.1, **sizes)
    second = store_run("llada", "dbs-dedup", hit=0.9, noise=1, **sizes)
    known = [trained(run, f"sha256:{number}") for number, run in enumerate((first, second))]
    comparison = compare_runs(known, resamples=300)
    assert comparison.unlike == {second.id: "the same fit, trained twice to other weights"}
    assert comparison.comparisons[0]["hr@10"].p_holm < 0.001
    text = to_text(comparison)
    assert f"{second.id} and the reference are of one model, trained otherwise (the same fit" in text
    assert "*" not in text.partition("difference: run minus")[0].replace("* at", "")
    for weights in (("sha256:0", "sha256:0"), ("0123", "4567"), ("sha256:0", "4567")):  # equal, or unknown
        runs = [trained(run, hashed) for run, hashed in zip((first, second), weights, strict=True)]
        assert compare_runs(runs, resamples=50).unlike == {}


@pytest.mark.parametrize(("epochs", "unlike"), [(15.0, True), (2.51, False)])
def test_a_clock_that_left_other_epochs_is_said(store_run: Store, epochs: float, unlike: bool) -> None:
    first = trained(store_run("llada", "bs", size="tiny", max_minutes=5.0), "sha256:0")
    second = trained(store_run("llada", "dbs-dedup", size="tiny"), "sha256:1", epochs=epochs)
    reasons = list(compare_runs([first, second], resamples=50).unlike.values())
    assert reasons == (["a time limit left 2.5 and 15.0 epochs of training"] if unlike else [])


def test_codes_of_different_kinds_are_not_compared(store_run: Store) -> None:
    """One model names items in codes of its own, on the same data: hits are compared, codes are not."""
    sids, texts = store_run("markov", "bs"), store_run("pop", "bs", noise=1)
    texts = with_summary(texts, slots=replace(texts.summary.slots, code="a token of an item's textual ID"))
    comparison = compare_runs([sids, texts], resamples=200)
    assert list(comparison.comparisons[0]) == METRICS[:-2]
    text = to_text(comparison)
    assert (
        f"The runs count different kinds of codes ({sids.id}: a code of a semantic ID; {texts.id}: a token of "
        "an item's textual ID), so Entropy and TTR are not compared." in text
    )
    assert "different semantic IDs" not in text
    same_kind = with_summary(sids, slots=texts.summary.slots)
    assert list(compare_runs([same_kind, texts], resamples=200).comparisons[0]) == METRICS


def test_codes_that_a_compact_run_lacks_are_not_compared(store_run: Store, tmp_path: Path) -> None:
    whole, other = store_run("markov", "bs"), store_run("pop", "bs", noise=1)
    compact = {
        with_codes: RunFolder(whole.spec, tmp_path / str(with_codes)).store_compact(whole, with_codes=with_codes)
        for with_codes in (True, False)
    }
    expected = compare_runs([whole, other], resamples=200)
    assert compare_runs([compact[True], other], resamples=200).comparisons == expected.comparisons
    without = compare_runs([compact[False], other], resamples=200)
    assert "hr@10" in without.values
    assert "entropy" not in without.values
    assert f"stored compactly without their codes ({whole.id}): Entropy and TTR are not compared" in to_text(without)


def test_any_cut_off_within_the_lists_is_compared(store_run: Store) -> None:
    runs = [store_run("markov", "bs"), store_run("markov", "dbs-dedup", noise=1)]
    comparison = compare_runs(runs, ks=(1, 2, 11), resamples=200)
    assert list(comparison.values)[:-2] == ["hr@1", "hr@2", "ndcg@2"]


def test_runs_that_differ_only_in_the_seed_are_one_system(store_run: Store) -> None:
    ours = [store_run("markov", "bs", hit=0.1, seed=seed) for seed in (0, 1, 2)]
    theirs = [store_run("pop", "bs", hit=0.9, seed=seed) for seed in (0, 1, 2)]
    single = store_run("pop", "dbs-dedup", hit=0.9)
    comparison = compare_runs([ours[0], theirs[0], *ours[1:], *theirs[1:], single], resamples=300)
    assert (comparison.reference, comparison.others) == (tuple(ours), (tuple(theirs), (single,)))
    hits = [run.summary.metrics["hr@10"] for run in ours]
    assert comparison.values["hr@10"][0] == pytest.approx(np.mean(hits))
    assert comparison.spreads["hr@10"][0] == pytest.approx(np.std(hits, ddof=1))
    assert comparison.spreads["hr@10"][2] is comparison.spreads["entropy"][0] is None
    text = to_text(comparison)
    assert f"reference  {', '.join(run.id for run in ours)}  markov x bs, categories none, seeds 0, 1, 2\n" in text
    assert f"{np.mean(hits):.4f} ±{np.std(hits, ddof=1):.4f}" in text
    assert "Above the noise of seeds: HR@" in text
    assert "Above the noise of seeds (of one seed of the run, taken to have none): HR@" in text
    assert "interval over users and seeds" in text
    parsed = json.loads(json.dumps(to_dict(comparison)))
    assert parsed["systems"][theirs[0].id] == [run.id for run in theirs]
    assert parsed["comparisons"][theirs[0].id]["hr@10"]["seed_noise"] > 0
    plain = to_text(compare_runs([ours[0], single], resamples=50))
    assert not [word for word in ("noise", "±", "users and seeds") if word in plain]
    with pytest.raises(UsageError, match="differ only in the seed and are one system"):
        compare_runs(ours)


def test_one_user_has_dashes_and_its_number(store_run: Store) -> None:
    text = to_text(compare_runs([store_run("markov", "bs", users=1), store_run("pop", "bs", users=1)], resamples=50))
    assert "on arts, 1 user\n" in text
    (line,) = [line for line in text.splitlines() if line.startswith("HR@10")]
    assert line.split()[4] == "-"
    assert line.split()[-3:-1] == ["-", "-"]


def test_plugins_of_one_name_are_told_apart_by_their_code(store_run: Store) -> None:
    runs = [store_run("markov", "bs"), store_run("pop", "bs", noise=1)]
    spec = replace(runs[0].spec, decoder=replace(runs[0].spec.decoder, code="abc123"))
    other = replace(runs[0], spec=spec)
    text = to_text(replace(compare_runs(runs, resamples=50), others=((other,),)))
    assert "markov x bs (code abc123), " in text
    assert "markov x bs, " in text
