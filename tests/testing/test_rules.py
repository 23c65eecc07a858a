"""The rules of a class of options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from mindrec_bench.testing.rules import check_options, require


def test_require():
    require(True, "all is well")
    with pytest.raises(AssertionError, match=r"^what is wrong$"):
        require(False, "what is wrong")


@dataclass(frozen=True)
class Right:
    """Has options.

    Attributes:
        size: how large.
        kind: which.
        limit: at most
            this many.
    """

    size: int = 1
    kind: Literal["one", "other"] = "one"
    limit: float | None = None


@dataclass
class NotFrozen:
    """Its options can change."""


class Plain:
    """Is no dataclass."""


@dataclass(frozen=True)
class Silent:
    size: int = 1


@dataclass(frozen=True)
class Untyped:
    """Has an option that no text can be turned into.

    Attributes:
        sizes: several.
    """

    sizes: tuple[int, ...] = (1,)


@dataclass(frozen=True)
class Needy:
    """Has an option that must be given.

    Attributes:
        size: how large.
    """

    size: int


@dataclass(frozen=True)
class Unexplained:
    """Has an option that is not explained."""

    size: int = 1


def test_right_ones_pass():
    check_options(Right())


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        (NotFrozen(), "NotFrozen is not a frozen dataclass"),
        (Plain(), "Plain is not a frozen dataclass"),
        (Silent(), "Silent has no docstring"),
        (Untyped(), "option 'sizes' of Untyped has a type that text can't be turned into"),
        (Needy(1), "option 'size' of Needy has no default"),
        (Unexplained(), "option 'size' of Unexplained is not explained under `Attributes:`"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_missing_is_said(instance, message):
    with pytest.raises(AssertionError, match=message):
        check_options(instance)
