"""What a registered name says of itself: summary, sizes, options with their meaning, and what it pairs with.

An option's meaning is read from `Attributes:` in the docstring of its class, or of the nearest base that explains it.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, Union

from . import options, registry

TYPES: dict[Any, str] = {int: "whole number", float: "number", bool: "yes or no", str: "text"}
"""What a field of each type is called; others but `Literal` can't be options."""


@dataclass(frozen=True)
class Option:
    """One option of a model, a decoder or a data set.

    Attributes:
        name: the key in `NAME:key=value`.
        type: `whole number`, `number`, `yes or no`, `text` or `choice`, and whether it may be `none`; '' where text
            can't be turned into it.
        default: as it would be written; None where it must be given.
        allowed: the values of a choice.
        meaning: '' where no docstring explains it.
    """

    name: str
    type: str
    default: str | None
    allowed: tuple[str, ...]
    meaning: str


@dataclass(frozen=True)
class PluginInfo:
    """All that `mrbench list KIND NAME` shows.

    Attributes:
        name, summary, capability, origin: as in `registry.RegistryEntry`.
        sizes: each size of a model, with the options that are the size's own, as `key=value,...`.
        options: in the order of the fields.
        pairs_with: the decoders that fit a model, or the models that fit a decoder.
    """

    name: str
    summary: str
    capability: str
    origin: str
    sizes: dict[str, str]
    options: tuple[Option, ...]
    pairs_with: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """In JSON's types."""
        return asdict(self)


def describe(kind: registry.Kind, name: str) -> PluginInfo:
    """Describe what is registered under a name.

    Raises:
        UsageError: see `registry.load`.
    """
    cls, row = registry.load(kind, name), registry.entry_of(kind, name)
    partners = tuple(_partners(kind, row.capability))
    return PluginInfo(**vars(row), sizes=_sizes(cls), options=options_of(cls), pairs_with=partners)


def options_of(cls: type) -> tuple[Option, ...]:
    """The options of a dataclass, in the order of its fields."""
    hints, meanings = typing.get_type_hints(cls), _meanings(cls)
    found = []
    for field in fields(cls):
        factory = field.default_factory
        default = field.default if factory is MISSING else factory()
        kind, allowed = _type(hints[field.name])
        text = None if default is MISSING else options.spelled(default)
        found.append(Option(field.name, kind, text, allowed, meanings.get(field.name, "")))
    return tuple(found)


def _type(hint: Any) -> tuple[str, tuple[str, ...]]:
    """What a type is called, and its values where it is a choice."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (Union, types.UnionType):
        inner = [part for part in arguments if part is not type(None)]
        kind, allowed = _type(inner[0]) if len(inner) == 1 else ("", ())
        return f"{kind} or none" if kind else "", allowed
    if typing.get_origin(hint) is Literal:
        return "choice", tuple(map(options.spelled, arguments))
    return TYPES.get(hint, ""), ()


_ENTRY = re.compile(r" {4}(\w+(?:, \w+)*): (.*)")


def _meanings(cls: type) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= attributes(inspect.cleandoc(base.__dict__.get("__doc__") or ""))
    return found


def attributes(docstring: str) -> dict[str, str]:
    """The entries under `Attributes:` of a clean docstring, each on one line."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in docstring.partition("\nAttributes:\n")[2].splitlines():
        if line and not line.startswith(" "):
            break
        if entry := _ENTRY.fullmatch(line):
            names = entry[1].split(", ")
            found |= dict.fromkeys(names, entry[2])
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def _sizes(cls: Any) -> dict[str, str]:
    """The sizes of a model, and what the default options are at each; unknown where an option must be given."""
    sizes = getattr(cls, "sizes", ())
    if any(option.default is None for option in options_of(cls)):
        return dict.fromkeys(sizes, "")
    default = options.as_dict(cls())
    own = {size: options.as_dict(cls().with_size_defaults(size)) for size in sizes}
    return {
        size: ",".join(
            f"{key}={options.spelled(value)}"
            for key, value in there.items()
            if key not in default or value != default[key]  # an option that came later is there where it differs
        )
        for size, there in own.items()
    }


def _partners(kind: registry.Kind, own: Any) -> list[str]:
    """The names that work with one of this kind and this capability."""
    if kind == "data":
        return []
    others: list[tuple[str, Any]]
    others = [(row.name, row.capability) for row in registry.listed("decoder" if kind == "model" else "model")]
    if kind == "model":
        return [name for name, needs in others if registry.fits(own, needs)]
    return [name for name, capability in others if registry.fits(capability, own)]
