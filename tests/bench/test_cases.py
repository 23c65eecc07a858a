"""What `mrbench bench` is asked to time, before anything is timed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindrec_bench.bench.cases import Axes, Setting, make_cases, named_list, numbers
from mindrec_bench.errors import UsageError

AXES = Axes(("markov",), ("bs",), (2,), (3,), (4,))


@pytest.fixture
def setting() -> Setting:
    lines: list[str] = []
    return Setting("arts-sim:users=30,items=60", "auto", None, "slots", 42, "cpu", None, lines.append)


@pytest.mark.parametrize(
    ("texts", "names"),
    [
        (["llada,llama3"], ("llada", "llama3")),
        (["block-m:m=1,prune=bs,dbs-penalty"], ("block-m:m=1,prune=bs", "dbs-penalty")),
        (["a:x=1,y=2,b:z=3", "a", "a"], ("a:x=1,y=2", "b:z=3", "a")),
    ],
)
def test_options_stay_with_their_name(texts, names):
    assert named_list(texts) == names


def test_numbers():
    assert numbers("--beam", "10,1,10") == (10, 1)
    with pytest.raises(UsageError, match="--beam is '1,x'"):
        numbers("--beam", "1,x")


def test_the_product_of_all_axes(setting):
    axes = Axes(("markov", "pop"), ("bs", "rank-items"), (1, 2), (3,), (2, 10))
    cases = make_cases(axes, setting)
    keys = {(case.model, case.decoder, case.beam, case.batch, case.history) for case in cases}
    assert len(cases) == len(keys) == 2 * 2 * 2 * 1 * 2
    for case in cases:
        assert ((case.examples.histories.items >= 0).sum(axis=1) == case.history).all()
        assert (case.examples.histories.items[:, -1] >= 0).all()
        assert len(np.unique(case.examples.histories.users)) == case.batch
        assert case.users.beam == case.beam


def test_a_pair_that_does_not_fit_is_named_and_left_out(setting):
    lines: list[str] = []
    axes = replace(AXES, models=("llama3", "markov"), decoders=("bs",))
    cases = make_cases(axes, replace(setting, notify=lines.append))
    assert [case.model for case in cases] == ["markov"]
    assert lines == ["left out: decoder 'bs' can't work with model 'llama3'"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"histories": (11,)}, "--history is 11; it must be at least 1, at most 10"),
        ({"batches": (0,)}, "--batch is 0; it must be at least 1"),
        ({"beams": (0,)}, "--beam is 0"),
        ({"models": ("llama3",)}, "only knows the next code"),
        ({"models": ("llama3", "llama3:lr=0.1")}, "no decoder of --decoder works"),
        ({"decoders": ("bsx",)}, "unknown decoder 'bsx'"),
    ],
)
def test_what_is_refused(setting, change, message):
    with pytest.raises(UsageError, match=message):
        make_cases(replace(AXES, **change), setting)
