"""Describe a registered name: summary, sizes, options with their meaning, and what it pairs with."""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal, Union

from ..core.backbone import Backbone
from ..core.protocols import Needs
from . import options, registry

TYPES: dict[Any, str] = {int: "whole number", float: "number", bool: "yes or no", str: "text"}
"""What the type of an option is called; besides these only `Literal` is allowed."""


@dataclass(frozen=True)
class Option:
    """One option of a model, a decoder or a dataset.

    Attributes:
        name: the key in `NAME:key=value`.
        type: `whole number`, `number`, `yes or no`, `text` or `choice`, and whether it may be `none`; '' where text
            can't be converted to it.
        default: as it would be written; None where it must be given.
        allowed: the values of a choice.
        meaning: its help text, see `options.option`; '' where it has none.
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
        sizes: each size of a model, with the options whose defaults it sets, as `key=value,...`.
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
    cls, entry = registry.load(kind, name), registry.get_entry(kind, name)
    sizes = _size_defaults(cls) if kind == "model" else {}
    partners = tuple(_partners(kind, entry.capability, entry.needs))
    return PluginInfo(**vars(entry), sizes=sizes, options=options_of(cls), pairs_with=partners)


def options_of(cls: type) -> tuple[Option, ...]:
    """The options of a dataclass, in the order of its fields."""
    hints = typing.get_type_hints(cls)
    described = []
    for field in fields(cls):
        factory = field.default_factory
        default = field.default if factory is MISSING else factory()
        type_name, allowed = _describe_type(hints[field.name])
        text = None if default is MISSING else options.format_value(default)
        described.append(Option(field.name, type_name, text, allowed, _help_text(cls, field.name)))
    return tuple(described)


def _describe_type(hint: Any) -> tuple[str, tuple[str, ...]]:
    """What a type is called, and its values where it is a choice."""
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (Union, types.UnionType):
        literals = [argument for argument in arguments if typing.get_origin(argument) is Literal]
        members = [argument for argument in arguments if argument is not type(None) and argument not in literals]
        name, allowed = _describe_type(members[0]) if len(members) == 1 else ("", ())
        words = [options.format_value(value) for literal in literals for value in typing.get_args(literal)]
        words += ["none"] if type(None) in arguments else []
        return " or ".join([name, *words]) if name else "", allowed
    if typing.get_origin(hint) is Literal:
        return "choice", tuple(map(options.format_value, arguments))
    return TYPES.get(hint, ""), ()


def _help_text(cls: type, name: str) -> str:
    """The help text of an option: that of its field, or of the field that it overrides; '' where there is none."""
    for base in cls.__mro__:
        field = base.__dict__.get("__dataclass_fields__", {}).get(name)
        if field is not None and "help" in field.metadata:
            only_for = options.capabilities_of(field)
            text = str(field.metadata["help"])
            return f"{text} Only for {' and '.join(only_for)} models." if only_for else text
    return ""


def _size_defaults(cls: type[Backbone]) -> dict[str, str]:
    """The sizes of a model, and the defaults that each sets; '' for all where an option must be given."""
    if any(option.default is None for option in options_of(cls)):
        return dict.fromkeys(cls.sizes, "")
    default = options.as_dict(cls())
    at_size = {size: options.as_dict(cls().with_size_defaults(size)) for size in cls.sizes}
    return {
        size: ",".join(
            f"{key}={options.format_value(value)}"
            for key, value in values.items()
            if key not in default or value != default[key]  # `as_dict` leaves newer options out at their defaults
        )
        for size, values in at_size.items()
    }


def _partners(kind: registry.Kind, capability: Any, needs: Needs) -> list[str]:
    """The names that fit a model of this capability, or a decoder with these needs."""
    if kind == "data":
        return []
    if kind == "model":
        return [e.name for e in registry.list_entries("decoder") if registry.can_answer(capability, e.needs)]
    models: list[tuple[str, Any]] = [(e.name, e.capability) for e in registry.list_entries("model")]
    return [name for name, answers in models if registry.can_answer(answers, needs)]
