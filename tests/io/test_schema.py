"""TOML sections against the fields of a dataclass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Le

from mindrec_bench.errors import UsageError
from mindrec_bench.io.schema import Setting, parse_toml, require_choice, validate_keys


@dataclass
class Section:
    title: str
    kind: Literal["table", "figure"] | None = None
    beam: Annotated[int | None, Ge(1), Setting(none="all")] = None
    minutes: Annotated[float, Gt(0), Le(60)] = 0.5
    quiet: bool = False
    seeds: tuple[int, ...] = (42,)
    names: tuple[str, ...] | None = None
    published: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    computed: int = 0


def validate(toml: str, **options) -> dict:
    return validate_keys(parse_toml(toml, "x.toml"), Section, "x.toml", hidden=("computed",), **options)


def test_values_of_every_type():
    values = validate(
        'title = "t"\nkind = "figure"\nbeam = 3\nminutes = 2\nquiet = true\nseeds = [1, 2]\nnames = ["a"]\n'
        'published.arts = ["0.1", "0.2"]\n'
    )
    assert values == {
        "title": "t", "kind": "figure", "beam": 3, "minutes": 2, "quiet": True, "seeds": (1, 2), "names": ("a",),
        "published": {"arts": ("0.1", "0.2")},
    }  # fmt: skip
    assert Section(**values).beam == 3
    assert validate('title = "t"') == {"title": "t"}


def test_none_as_it_is_written():
    assert validate('title = "t"\nbeam = "all"')["beam"] is None


def test_a_section_may_be_a_part():
    assert validate("beam = 2", partial=True) == {"beam": 2}


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('title = "t"\nbeams = 3', "unknown key 'beams' in x.toml (did you mean 'beam'?); allowed: title, kind, beam"),
        ('title = "t"\ncomputed = 3', "unknown key 'computed' in x.toml"),
        ("title = 3", "'title' in x.toml is 3; it must be text"),
        ('title = "t"\nkind = 1', "'kind' in x.toml is 1; it must be one of table, figure"),
        ('title = "t"\nbeam = true', "'beam' in x.toml is true; it must be a whole number or 'all'"),
        ('title = "t"\nminutes = "1"', "'minutes' in x.toml is '1'; it must be a number"),
        ('title = "t"\nquiet = 1', "'quiet' in x.toml is 1; it must be true or false"),
        ('title = "t"\nseeds = 1', "'seeds' in x.toml is 1; it must be a list"),
        ('title = "t"\nseeds = [true]', "'seeds' in x.toml is [true]; its entries must be a whole number"),
        ('title = "t"\nnames = [1]', "'names' in x.toml is [1]; its entries must be text"),
        ('title = "t"\npublished = ["1"]', "'published' in x.toml is ['1']; it must be a table"),
        ('title = "t"\nkind = "tabel"', "'kind' in x.toml is 'tabel' (did you mean 'table'?); it must be one of table"),
        ('title = "t"\nbeam = 0', "'beam' in x.toml is 0; it must be at least 1 or 'all'"),
        ('title = "t"\nbeam = 2.7', "'beam' in x.toml is 2.7; it must be a whole number or 'all'"),
        ('title = "t"\nbeam = "some"', "'beam' in x.toml is 'some'; it must be a whole number or 'all'"),
        ('title = "t"\nminutes = 0', "'minutes' in x.toml is 0; it must be above 0"),
        ('title = "t"\nminutes = 61', "'minutes' in x.toml is 61; it must be at most 60"),
        ('title = "t"\nminutes = inf', "'minutes' in x.toml is inf; it must be a finite number"),
        ("beam = 3", "x.toml has no key 'title'; write title = ..."),
        ("title =", "x.toml is not valid TOML: "),
    ],
)
def test_wrong_sections_are_refused(toml, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}"):
        validate(toml)


def test_an_unknown_choice_is_refused():
    require_choice("table", ["table", "figure"], "kind", "x.toml")
    with pytest.raises(
        UsageError, match=r"^unknown kind 'tabel' in x.toml \(did you mean 'table'\?\); known: table, f"
    ):
        require_choice("tabel", ["table", "figure"], "kind", "x.toml")
