"""Descriptions of registered names: options, sizes and partners."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import pytest

from mindrec_bench.data.sources import describe_data
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins import registry
from mindrec_bench.plugins.description import Option, describe, options_of, parse_attributes
from mindrec_bench.plugins.options import build


@dataclass(frozen=True)
class Base:
    """A base.

    Attributes:
        n: how many,
            counted from 1.
        mode: overridden below.

    More text: this is no attribute.
    """

    kind: ClassVar[str] = "no option"

    n: int
    mode: Literal["fast", 2, True] = "fast"


@dataclass(frozen=True)
class Derived(Base):
    """A class.

    Attributes:
        mode, rate: as usual.
    """

    rate: float | None = None
    names: str = field(default_factory=lambda: "none at all")
    on: bool = False
    odd: tuple[int, ...] = ()
    mixed: int | str = 0


def test_options_have_type_default_allowed_values_and_the_nearest_meaning():
    assert options_of(Derived) == (
        Option("n", "whole number", None, (), "how many, counted from 1."),
        Option("mode", "choice", "fast", ("fast", "2", "yes"), "as usual."),
        Option("rate", "number or none", "none", (), "as usual."),
        Option("names", "text", "none at all", (), ""),
        Option("on", "yes or no", "no", (), ""),
        Option("odd", "", "()", (), ""),
        Option("mixed", "", "0", (), ""),
    )


@pytest.mark.parametrize("text", ["", "Summary.", "Summary.\n\nReturns:\n    x: not this"])
def test_no_attributes(text):
    assert parse_attributes(text) == {}


@pytest.mark.parametrize("kind", ["model", "decoder", "data"])
def test_options_of_built_ins_are_explained_and_their_defaults_can_be_written(kind):
    names = registry.names(kind)
    assert len(names) >= 4
    for name in names:
        cls = registry.load(kind, name)
        for option in describe(kind, name).options:
            assert option.meaning, (name, option.name)
            assert option.type, (name, option.name)
        values = {option.name: option.default or option.allowed[0] for option in describe(kind, name).options}
        assert build(cls, name, values) == build(cls, name, {key: values[key] for key in required_options(cls)})


def required_options(cls):
    return [option.name for option in options_of(cls) if option.default is None]


def test_sizes_with_their_defaults_and_partners():
    llada = describe("model", "llada")
    assert (llada.capability, llada.origin) == ("denoiser", "mindrec_baselines.llada:Llada (mindrec-bench)")
    assert list(llada.sizes)[:2] == ["tiny", "small"]
    assert llada.sizes["tiny"].split(",")[:2] == ["lr=0.003", "epochs=15"]
    assert {"bs", "ar-beam"} <= set(llada.pairs_with)
    assert "rank-items" not in llada.pairs_with
    assert {"llama3", "llada", "pop"} <= set(describe("decoder", "ar-beam").pairs_with)
    assert describe("data", "arts").pairs_with == ()
    assert describe("model", "markov").sizes == {}


def test_unknown_name_is_refused():
    with pytest.raises(UsageError, match=r"unknown decoder 'bz' \(did you mean 'bs'\?\)"):
        describe("decoder", "bz")


def test_data_folder_of_the_user(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.inter.json").write_text('{"1": [1, 2, 3]}')
    info = describe_data("shop", tmp_path)
    assert (info.name, info.origin) == ("shop", str(tmp_path / "shop"))
    assert "no semantic IDs yet, see `mrbench data tokenize shop`" in info.summary
    assert [option.name for option in info.options] == ["levels"]
    assert describe_data("arts", tmp_path) == describe("data", "arts")
    with pytest.raises(UsageError, match=r"unknown data 'shp' \(did you mean 'shop'\?\); known: arts, .*, shop$"):
        describe_data("shp", tmp_path)
