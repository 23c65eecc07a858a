"""The cases that `mrbench bench` makes of its options."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.bench.cases import BenchmarkGrid, BenchmarkOptions, make_cases, parse_names, parse_numbers
from mindrec_bench.errors import UsageError

GRID = BenchmarkGrid(("markov",), ("bs",), (2,), (3,), (4,))


@pytest.fixture
def options(notices: list[str]) -> BenchmarkOptions:
    return BenchmarkOptions("arts-sim:users=30,items=60", "auto", None, "slots", 42, "cpu", None)


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["llada,llama3"], ("llada", "llama3")),
        (["block-m:m=1,prune=bs,dbs-penalty"], ("block-m:m=1,prune=bs", "dbs-penalty")),
        (["a:x=1,y=2,b:z=3", "a", "a"], ("a:x=1,y=2", "b:z=3", "a")),
    ],
)
def test_options_stay_with_their_name(texts, names):
    assert parse_names(texts) == names


def test_parse_numbers():
    assert parse_numbers("--beam", "10,1,10") == (10, 1)
    with pytest.raises(UsageError, match="--beam is '1,x'"):
        parse_numbers("--beam", "1,x")


def test_every_combination_is_a_case(options):
    grid = BenchmarkGrid(("markov", "pop"), ("bs", "rank-items"), (1, 2), (3,), (2, 10))
    cases = make_cases(grid, options)
    keys = {(case.model, case.decoder, case.beam, case.batch_size, case.history_length) for case in cases}
    assert len(cases) == len(keys) == 2 * 2 * 2 * 1 * 2
    for case in cases:
        assert ((case.examples.histories.items >= 0).sum(axis=1) == case.history_length).all()
        assert (case.examples.histories.items[:, -1] >= 0).all()
        assert len(np.unique(case.examples.histories.users)) == case.batch_size
        assert case.batch_decoder.beam == case.beam


def test_a_pair_that_does_not_work_is_left_out_with_a_notice(options, notices):
    grid = replace(GRID, models=("llama3", "markov"), decoders=("bs",))
    cases = make_cases(grid, options)
    assert [case.model for case in cases] == ["markov"]
    assert notices == ["left out: decoder 'bs' does not work with model 'llama3'"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"history_lengths": (11,)}, "--history is 11; it must be at least 1, at most 10"),
        ({"batch_sizes": (0,)}, "--batch is 0; it must be at least 1"),
        ({"beams": (0,)}, "--beam is 0"),
        ({"models": ("llama3",)}, "only knows the next code"),
        ({"models": ("llama3", "llama3:lr=0.1")}, "no decoder of --decoder works"),
        ({"decoders": ("bsx",)}, "unknown decoder 'bsx'"),
    ],
)
def test_wrong_options_are_refused(options, change, message):
    with pytest.raises(UsageError, match=message):
        make_cases(replace(GRID, **change), options)
