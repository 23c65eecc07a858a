"""The base class: a subclass sets its policies by name or by a property."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch

from mindrec_bench.testing import DecodingProblem, TabularDenoiser, check_decoder, random_space
from mindrec_decoders.bs import BeamSearch
from mindrec_decoders.dbs_dedup import DbsDedup
from mindrec_decoders.search.diffusion_search import DiffusionSearch
from mindrec_decoders.search.expansion import EXPANSIONS, left_to_right
from mindrec_decoders.search.pruning import PRUNING_RULES, dedup

SIZES = (3, 2, 4)
CASE = DecodingProblem(
    "tables", random_space(SIZES, 6, seed=1), TabularDenoiser.random(SIZES, users=3, seed=2), "denoiser"
)


@dataclass(frozen=True)
class ByName(DiffusionSearch):
    """Left to right, without repeats."""

    expansion = "left-to-right"
    pruning = "dedup"


@dataclass(frozen=True)
class ByProperty(DiffusionSearch):
    """The same by policies of its own."""

    @property
    def expansion(self):
        return left_to_right

    @property
    def pruning(self):
        return lambda candidates, *, beam, n_categories: dedup(candidates, beam=beam, n_categories=n_categories)


def decode(decoder):
    return CASE.decode(decoder, np.arange(3), beam=4)


def assert_same(one, other):
    assert torch.equal(one.codes, other.codes)
    assert torch.equal(one.scores, other.scores)


def test_the_default_is_plain_beam_search():
    assert_same(decode(DiffusionSearch()), decode(BeamSearch()))


def test_a_property_works_like_a_name():
    assert_same(decode(ByName()), decode(ByProperty()))
    assert not torch.equal(decode(ByName()).scores, decode(DbsDedup()).scores)
    check_decoder(ByName())


def test_policies_are_no_options():
    assert [field.name for field in fields(ByName)] == ["normalise", "propose"]
    assert repr(ByName()).endswith("ByName(normalise='vocabulary', propose='top')")


@pytest.mark.parametrize("name", EXPANSIONS)
def test_every_expansion_has_a_name_that_works(name):
    decoder = type("Named", (DiffusionSearch,), {"expansion": name})()
    assert decode(decoder).lengths.tolist() == [4, 4, 4]


@pytest.mark.parametrize("name", PRUNING_RULES)
def test_every_pruning_rule_has_a_name_that_works(name):
    decoder = type("Named", (DiffusionSearch,), {"pruning": name})()
    assert decode(decoder).lengths.tolist() == [4, 4, 4]


def test_an_unknown_name_is_an_error():
    decoder = type("Named", (DiffusionSearch,), {"pruning": "none"})()
    with pytest.raises(KeyError, match="none"):
        decode(decoder)
