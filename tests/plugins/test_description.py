"""Descriptions of registered names: options, sizes and partners."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import pytest

from mindrec_bench.data.sources import describe_data
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins import registry
from mindrec_bench.plugins.description import Option, describe, options_of
from mindrec_bench.plugins.options import build, option


@dataclass(frozen=True)
class Base:
    """A base."""

    kind: ClassVar[str] = "no option"

    n: int = option(help="how many, counted from 1.")
    mode: Literal["fast", 2, True] = option("fast", help="overridden below.")
    depth: int = option(1, help="number of layers.")


@dataclass(frozen=True)
class Derived(Base):
    """A class that changes the help of `mode`, and the default of `depth`."""

    rate: float | None = option(None, help="as usual.")
    mode: Literal["fast", 2, True] = option("fast", help="as usual.")
    depth: int = 3
    factor: float = field(default=0.5, metadata={"help": "a plain field."})
    names: str = field(default_factory=lambda: "none at all")
    on: bool = False
    odd: tuple[int, ...] = ()
    mixed: int | str = 0


def test_options_have_type_default_allowed_values_and_the_nearest_meaning():
    assert options_of(Derived) == (
        Option("n", "whole number", None, (), "how many, counted from 1."),
        Option("mode", "choice", "fast", ("fast", "2", "yes"), "as usual."),
        Option("depth", "whole number", "3", (), "number of layers."),
        Option("rate", "number or none", "none", (), "as usual."),
        Option("factor", "number", "0.5", (), "a plain field."),
        Option("names", "text", "none at all", (), ""),
        Option("on", "yes or no", "no", (), ""),
        Option("odd", "", "()", (), ""),
        Option("mixed", "", "0", (), ""),
    )


@pytest.mark.parametrize("kind", ["model", "decoder", "data"])
def test_options_of_built_ins_are_explained_and_their_defaults_can_be_written(kind):
    names = registry.names(kind)
    assert len(names) >= 4
    for name in names:
        cls = registry.load(kind, name)
        for entry in describe(kind, name).options:
            assert entry.meaning, (name, entry.name)
            assert entry.type, (name, entry.name)
        values = {entry.name: entry.default or entry.allowed[0] for entry in describe(kind, name).options}
        assert build(cls, name, values) == build(cls, name, {key: values[key] for key in required_options(cls)})


def required_options(cls):
    return [entry.name for entry in options_of(cls) if entry.default is None]


def test_sizes_with_their_defaults_and_partners():
    llada = describe("model", "llada")
    assert (llada.capability, llada.origin) == ("denoiser", "mindrec_baselines.llada:Llada (mindrec-bench)")
    assert list(llada.sizes)[:2] == ["tiny", "small"]
    assert llada.sizes["tiny"].split(",")[:2] == ["lr=0.003", "epochs=15"]
    assert {"bs", "ar-beam", "rank-items"} <= set(llada.pairs_with)
    assert "bs" not in describe("model", "llama3").pairs_with
    rank_items = describe("decoder", "rank-items")
    assert rank_items.capability == "items, denoiser, causal"
    assert {"llama3", "llada", "pop"} <= set(rank_items.pairs_with)
    (shortlist,) = [option for option in rank_items.options if option.name == "shortlist"]
    assert shortlist.type == "whole number or all"
    assert shortlist.meaning.endswith(" Only for denoiser models.")
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
    assert "no semantic IDs yet, see `mrbench data tokenize" in info.summary
    assert [entry.name for entry in info.options] == ["levels"]
    assert describe_data("arts", tmp_path) == describe("data", "arts")
    with pytest.raises(UsageError, match=r"unknown data 'shp' \(did you mean 'shop'\?\); known: arts, .*, shop$"):
        describe_data("shp", tmp_path)
