"""The measured cost of cases, compared with what a run counts."""

from __future__ import annotations

import pytest

from mindrec_bench.bench.cases import BenchmarkGrid, BenchmarkOptions, make_cases
from mindrec_bench.bench.measure import SECTIONS, measure_cases
from mindrec_bench.experiment.batch_decoder import Meter


@pytest.fixture(scope="module")
def results():
    options = BenchmarkOptions("arts-sim:users=30,items=60", "tiny", None, "catalogue", 42, "cpu", None)
    cases = make_cases(BenchmarkGrid(("llada", "markov"), ("dbs-penalty", "ar-beam"), (3,), (4,), (2, 10)), options)
    return list(measure_cases(cases, repeats=2))


def test_results_are_in_the_order_of_the_cases(results):
    assert [(result.case.model, result.case.decoder, result.case.history_length) for result in results] == [
        (model, decoder, history)
        for model in ("llada", "markov")
        for decoder in ("dbs-penalty", "ar-beam")
        for history in (2, 10)
    ]
    assert all(len(result.seconds) == 2 and min(result.seconds) > 0 for result in results)


def test_shares_sum_to_one(results):
    for result in results:
        assert tuple(result.shares) == SECTIONS
        assert sum(result.shares.values()) == pytest.approx(1)
        assert all(share > 0 for share in result.shares.values())


def test_forward_passes_are_those_of_a_run(results):
    for result in results:
        meter = Meter()
        list(result.case.batch_decoder.decode_batches(result.case.examples, meter))
        assert result.forward_passes == meter.forward_passes == 7  # one per slot: 3 category and 4 SID slots


def test_operations_are_those_of_the_network(results):
    operations = {
        (result.case.model, result.case.decoder, result.case.history_length): result.operations for result in results
    }
    short, long = operations["llada", "dbs-penalty", 2], operations["llada", "dbs-penalty", 10]
    assert 0 < short.flops < long.flops
    assert 0 < short.positions < long.positions
    # at most all positions of every beam of every user in every pass; the first pass has one beam
    assert 4 * 7 * 7 <= long.positions <= 4 * (1 + 6 * 3) * (10 + 7)
    assert operations["markov", "dbs-penalty", 10].flops == 0


def test_there_is_no_ratio_without_a_plain_decoder(results):
    assert {result.plain_ratio for result in results} == {None}
