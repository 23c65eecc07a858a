"""`NAME:key=value,...`: what is accepted, what is refused, and that a label parses to the same instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from mindrec_bench.errors import UsageError
from mindrec_bench.plugins import options


@dataclass(frozen=True)
class AllTypes:
    """An option of every type."""

    count: int = 3
    rate: float = 0.5
    shuffle: bool = True
    mode: Literal["top", "sample"] = "top"
    blocks: Literal[1, 2, 4] = 1
    words: str = ""
    limit: float | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count is {self.count}; it must be 1 or more")


@dataclass(frozen=True)
class NoOptions:
    """No options."""


@dataclass(frozen=True)
class Limited:
    limit: int | None = 5


@dataclass(frozen=True)
class RequiredOption:
    """An option without a default."""

    model: str


def make(text: str) -> AllTypes:
    return options.build(AllTypes, *options.parse(text))


@pytest.mark.parametrize(
    ("text", "name", "raw"),
    [
        ("bs", "bs", {}),
        ("bs:", "bs", {}),
        ("bs:a=1", "bs", {"a": "1"}),
        ("bs:a=1,b=x=y", "bs", {"a": "1", "b": "x=y"}),
        ("bs:a=,", "bs", {"a": ""}),
        (" bs : a = 1 , b = 2 ", "bs", {"a": "1", "b": "2"}),
    ],
)
def test_parse(text, name, raw):
    assert options.parse(text) == (name, raw)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bs:fast", r"'fast' in 'bs:fast' is not an option; write bs:key=value"),
        ("bs:=1", r"'=1' in 'bs:=1' is not an option"),
        ("bs: =1", r"' =1' in 'bs: =1' is not an option"),
        ("bs:a=1,a=2", r"option 'a' is given twice in 'bs:a=1,a=2'; give it once"),
        ("bs:a=1, a=2", r"option 'a' is given twice"),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(UsageError, match=message):
        options.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s", AllTypes()),
        ("s:count=7,rate=7e-5", AllTypes(count=7, rate=7e-5)),
        ("s:shuffle=no", AllTypes(shuffle=False)),
        ("s:shuffle=False", AllTypes(shuffle=False)),
        ("s:shuffle=1", AllTypes(shuffle=True)),
        ("s:mode=sample,blocks=4", AllTypes(mode="sample", blocks=4)),
        ("s:words=a=b", AllTypes(words="a=b")),
        ("s:limit=2", AllTypes(limit=2.0)),
        ("s:limit=none", AllTypes()),
    ],
)
def test_build(text, expected):
    built = make(text)
    assert built == expected
    assert [type(value) for value in vars(built).values()] == [type(value) for value in vars(expected).values()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s:cuont=1", r"'s' has no option 'cuont' \(did you mean 'count'\?\); it takes count, rate, shuffle, mode"),
        ("s:count=x", r"option 'count' of 's' is 'x'; it must be a whole number"),
        ("s:count=1.5", r"option 'count' of 's' is '1.5'; it must be a whole number"),
        ("s:count=1" + 400 * "0", r"it must be a whole number"),
        ("s:rate=fast", r"option 'rate' of 's' is 'fast'; it must be a number"),
        ("s:rate=nan", r"option 'rate' of 's' is 'nan'; it must be a number"),
        ("s:rate=inf", r"option 'rate' of 's' is 'inf'; it must be a number"),
        ("s:shuffle=maybe", r"option 'shuffle' of 's' is 'maybe'; allowed: yes, no"),
        ("s:mode=smaple", r"option 'mode' of 's' is 'smaple' \(did you mean 'sample'\?\); allowed: top, sample"),
        ("s:blocks=3", r"option 'blocks' of 's' is '3'; allowed: 1, 2, 4"),
        ("s:limit=x", r"option 'limit' of 's' is 'x'; it must be a number"),
        ("s:count=0", r"'s': count is 0; it must be 1 or more"),
    ],
)
def test_build_refuses(text, message):
    with pytest.raises(UsageError, match=message):
        make(text)


def test_class_without_options():
    with pytest.raises(UsageError, match="'empty' has no option 'a'; it takes no options"):
        options.build(NoOptions, "empty", {"a": "1"})


def test_option_without_default_must_be_given():
    with pytest.raises(UsageError, match=r"'needy' needs the option 'model'; write needy:model=\.\.\.$"):
        options.build(RequiredOption, "needy", {})
    assert options.build(RequiredOption, "needy", {"model": "GRU4Rec"}) == RequiredOption("GRU4Rec")


def test_as_dict_includes_defaults():
    assert options.as_dict(AllTypes(count=9)) == {
        "count": 9, "rate": 0.5, "shuffle": True, "mode": "top", "blocks": 1, "words": "", "limit": None,
    }  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    model: str = options.option(help="which model.")
    layers: int = options.option(2, help="of the network.")
    refresh: int = options.option(0, help="changes the inference.", inference_only=True)


def test_changed_options_are_those_without_default_and_those_with_another_value():
    instance = Fitted("x", refresh=3)
    defaults = options.with_defaults(instance)
    assert defaults == Fitted("x")
    assert options.changed(instance, defaults) == {"model": "x", "refresh": 3}
    assert options.changed(defaults, defaults) == {"model": "x"}


@pytest.mark.parametrize(("name", "expected"), [("refresh", True), ("layers", False), ("none", False)])
def test_inference_only_options_are_marked(name, expected):
    assert options.is_inference_only(Fitted("x"), name) == expected


@pytest.mark.parametrize(
    ("instance", "text"),
    [
        (AllTypes(), "s"),
        (AllTypes(count=7, shuffle=False), "s:count=7,shuffle=no"),
        (AllTypes(rate=1e-05, mode="sample", limit=0.25), "s:rate=1e-05,mode=sample,limit=0.25"),
    ],
)
def test_label_parses_to_the_same_instance(instance, text):
    assert options.label("s", instance) == text
    assert make(text) == instance


def test_label_of_an_option_without_default():
    assert options.label("needy", RequiredOption("GRU4Rec")) == "needy:model=GRU4Rec"


def test_label_of_none_where_that_is_not_the_default():
    label = options.label("s", Limited(limit=None))
    assert label == "s:limit=none"
    assert options.build(Limited, *options.parse(label)) == Limited(limit=None)


@dataclass(frozen=True)
class RequiredByOption:
    model: str = options.option(help="which model.")
    layers: int = options.option(2)


def test_option_without_default_is_required():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'model'"):
        RequiredByOption()
    with pytest.raises(UsageError, match=r"'needy' needs the option 'model'"):
        options.build(RequiredByOption, "needy", {"layers": "3"})
    assert options.build(RequiredByOption, "needy", {"model": "x"}) == RequiredByOption("x", 2)
