"""How a broken rule is said; and the rules of a class of options, as the registry makes and lists it."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

from ..plugins.description import options_of


def require(condition: bool, message: str) -> None:
    """Raise an AssertionError with this message, unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def check_options(instance: Any) -> None:
    """Check a frozen dataclass of options: each has a type that text can be turned into, a default, and a meaning.

    Raises:
        AssertionError: names the class, and the option that breaks a rule.
    """
    cls = type(instance)
    name = cls.__name__
    require(is_dataclass(cls) and cls.__dataclass_params__.frozen, f"{name} is not a frozen dataclass")  # type: ignore[attr-defined]
    summary = (cls.__dict__.get("__doc__") or "").strip()
    made_up = summary.startswith(f"{name}(")  # the signature that `dataclass` puts where there is no docstring
    require(bool(summary) and not made_up, f"{name} has no docstring, and its first line is what `mrbench list` shows")
    for option in options_of(cls):
        where = f"option '{option.name}' of {name}"
        require(
            option.type != "", f"{where} has a type that text can't be turned into; see mindrec_bench.plugins.options"
        )
        require(option.default is not None, f"{where} has no default, so `--model` can't be given by its name alone")
        require(option.meaning != "", f"{where} is not explained under `Attributes:` in the docstring")
