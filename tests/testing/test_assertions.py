"""The check of the options of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from mindrec_bench.plugins.options import option
from mindrec_bench.testing.assertions import check_options, require


def test_require():
    require(True, "the message")
    with pytest.raises(AssertionError, match=r"^the message$"):
        require(False, "the message")


@dataclass(frozen=True)
class Valid:
    """Has options."""

    size: int = option(1, help="number of layers.")
    kind: Literal["one", "other"] = option("one", help="name of the variant.")
    limit: float | None = option(None, help="largest number of items.")


@dataclass
class NotFrozen:
    """A dataclass that is not frozen."""


class NotADataclass:
    """A class that is not a dataclass."""


@dataclass(frozen=True)
class Undocumented:
    size: int = 1


@dataclass(frozen=True)
class Unparsable:
    """Has an option that can't be parsed from text."""

    sizes: tuple[int, ...] = option((1,), help="several numbers.")


@dataclass(frozen=True)
class WithoutDefault:
    """Has an option without a default."""

    size: int = option(help="number of layers.")


@dataclass(frozen=True)
class Undescribed:
    """Has an option that is not described."""

    size: int = 1


def test_a_valid_class_passes():
    check_options(Valid())


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        (NotFrozen(), "NotFrozen is not a frozen dataclass"),
        (NotADataclass(), "NotADataclass is not a frozen dataclass"),
        (Undocumented(), "Undocumented has no docstring"),
        (Unparsable(), "option 'sizes' of Unparsable has a type that text can't be parsed to"),
        (WithoutDefault(1), "option 'size' of WithoutDefault has no default"),
        (Undescribed(), "option 'size' of Undescribed has no help text"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_violation_is_reported(instance, message):
    with pytest.raises(AssertionError, match=message):
        check_options(instance)
