"""What a case costs, against what a run of the same question counts."""

from __future__ import annotations

import pytest

from mindrec_bench.bench.cases import Axes, Setting, make_cases
from mindrec_bench.bench.measure import PARTS, measure
from mindrec_bench.experiment.batch_decoder import Meter


@pytest.fixture(scope="module")
def timed():
    setting = Setting("arts-sim:users=30,items=60", "tiny", None, "catalogue", 42, "cpu", None, lambda line: None)
    cases = make_cases(Axes(("llada", "markov"), ("dbs-penalty", "ar-beam"), (3,), (4,), (2, 10)), setting)
    return measure(cases, repeats=2)


def test_every_case_is_timed_in_its_order(timed):
    assert [(t.case.model, t.case.decoder, t.case.history) for t in timed] == [
        (model, decoder, history)
        for model in ("llada", "markov")
        for decoder in ("dbs-penalty", "ar-beam")
        for history in (2, 10)
    ]
    assert all(len(t.seconds) == 2 and min(t.seconds) > 0 for t in timed)


def test_shares_are_of_the_whole(timed):
    for t in timed:
        assert tuple(t.shares) == PARTS
        assert sum(t.shares.values()) == pytest.approx(1)
        assert all(share > 0 for share in t.shares.values())


def test_passes_are_those_of_a_run(timed):
    for t in timed:
        meter = Meter()
        list(t.case.users.batches(t.case.examples, meter))
        assert t.passes == meter.passes == 7  # one a slot: 3 category and 4 SID slots


def test_operations_are_the_networks(timed):
    by = {(t.case.model, t.case.decoder, t.case.history): t.counted for t in timed}
    short, long = by["llada", "dbs-penalty", 2], by["llada", "dbs-penalty", 10]
    assert 0 < short.flops < long.flops
    assert 0 < short.positions < long.positions
    # at most every beam of every user, whole, in every pass; the first has one beam
    assert 4 * 7 * 7 <= long.positions <= 4 * (1 + 6 * 3) * (10 + 7)
    assert by["markov", "dbs-penalty", 10].flops == 0


def test_there_is_no_ratio_without_a_plain_way(timed):
    assert {t.plain_ratio for t in timed} == {None}
