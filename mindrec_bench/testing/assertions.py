"""How conformance checks fail, and the check of the options of a registered class."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any

from ..plugins.description import options_of


def require(condition: bool, message: str) -> None:
    """Raise an AssertionError with this message unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def check_options(instance: Any) -> None:
    """Check a frozen dataclass of options: each has a type that text can be parsed to, a default, and a help text.

    Raises:
        AssertionError: names the class, and the option that breaks a rule.
    """
    cls = type(instance)
    name = cls.__name__
    require(is_dataclass(cls) and cls.__dataclass_params__.frozen, f"{name} is not a frozen dataclass")  # type: ignore[attr-defined]
    docstring = (cls.__dict__.get("__doc__") or "").strip()
    generated = docstring.startswith(f"{name}(")  # the signature, which `dataclass` sets if there is no docstring
    require(bool(docstring) and not generated, f"{name} has no docstring, whose first line is shown by `mrbench list`")
    for option in options_of(cls):
        where = f"option '{option.name}' of {name}"
        require(
            option.type != "", f"{where} has a type that text can't be parsed to; see mindrec_bench.plugins.options"
        )
        require(option.default is not None, f"{where} has no default, so `{name}` can't be chosen by its name alone")
        require(option.meaning != "", f"{where} has no help text; see mindrec_bench.plugins.options.option")
