"""Options in text: `NAME:key=value,key=value` names a model, a decoder or a dataset on the command line.

A model, a decoder or a data source is a frozen dataclass whose fields are its options, declared with `option`. Fields
are typed `int`, `float`, `bool`, `str`, `Literal[...]`, or one of these with
`| None` or a word (`int | Literal["all"]`). The class checks ranges in
`__post_init__`, which raises `ValueError` with the allowed values.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any, Literal, TypeVar, Union

from ..core.protocols import Capability
from ..errors import UsageError, did_you_mean

T = TypeVar("T")

_INFERENCE_ONLY = "inference_only"
"""Key in the metadata of a model's field that changes how a fitted model answers, and not how it is fitted."""

_CAPABILITIES = "capabilities"
"""Key in the metadata of a decoder's field that only some of the capabilities it takes have a use for."""


def option(
    default: T = dataclasses.MISSING,  # type: ignore[assignment]
    *,
    help: str = "",
    inference_only: bool = False,
    capabilities: tuple[Capability, ...] = (),
) -> T:
    """Declare an option: a dataclass field with a help text, `lr: float = option(1e-3, help="learning rate.")`.

    Args:
        default: the default; without one the option must be given.
        help: what the option means, in words, shown by `mrbench list KIND NAME`; '': that of the field that this one
            overrides, where a base class has it.
        inference_only: it changes how a fitted model answers, and not how it is fitted; runs that differ only in such
            options share a fitted model.
        capabilities: of a decoder that takes several: those that the option is for; it is refused with the others.

    Returns:
        A `dataclasses.field`; the type is that of the default, so that type checkers compare it with the annotation.
    """
    metadata = {"help": help, _INFERENCE_ONLY: inference_only, _CAPABILITIES: capabilities}
    return dataclasses.field(default=default, metadata={key: value for key, value in metadata.items() if value})


def parse(text: str) -> tuple[str, dict[str, str]]:
    """Split `NAME:key=value,key=value` into the name and its raw options.

    Raises:
        UsageError: an option is not of the form key=value, or is given twice.
    """
    name, _, rest = text.partition(":")
    options: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(f"'{part}' in '{text}' is not an option; write {name}:key=value,key=value")
        if key in options:
            raise UsageError(f"option '{key}' is given twice in '{text}'; give it once")
        options[key] = value.strip()
    return name.strip(), options


def build(cls: type[T], name: str, raw: dict[str, str]) -> T:
    """Make an instance from options in text.

    Args:
        cls: the class.
        name: as on the command line, for messages.
        raw: the options as `parse` returns them.

    Raises:
        UsageError: an unknown key, a value of the wrong type, a value that the class refuses, or a missing option that
            has no default; the allowed ones are named.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, text in raw.items():
        if key not in fields:
            allowed = f"it takes {', '.join(fields)}" if fields else "it takes no options"
            raise UsageError(f"'{name}' has no option '{key}'{did_you_mean(key, fields)}; {allowed}")
        values[key] = _convert(hints[key], text, f"option '{key}' of '{name}'")
    for key, field in fields.items():
        if key not in values and field.default is field.default_factory is dataclasses.MISSING:
            choices = typing.get_args(hints[key]) if typing.get_origin(hints[key]) is Literal else ()
            allowed = f" (allowed: {', '.join(map(format_value, choices))})" if choices else ""
            raise UsageError(f"'{name}' needs the option '{key}'; write {name}:{key}=...{allowed}")
    try:
        return cls(**values)
    except ValueError as error:
        raise UsageError(f"'{name}': {error}") from error


def as_dict(instance: Any) -> dict[str, Any]:
    """All options of an instance, defaults included."""
    return {field.name: getattr(instance, field.name) for field in dataclasses.fields(instance)}


def with_defaults(instance: T) -> T:
    """The instance with every option that has a default at its default."""
    defaults = {
        field.name: field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        for field in dataclasses.fields(instance)  # type: ignore[arg-type]
        if not field.default is field.default_factory is dataclasses.MISSING
    }
    return dataclasses.replace(instance, **defaults)  # type: ignore[type-var]


def changed(instance: T, defaults: T) -> dict[str, Any]:
    """The options that make an instance what it is: those that have no default, or another value than in `defaults`.

    Args:
        instance: a model, a decoder or a data source.
        defaults: `with_defaults` of the instance, for a model with the defaults of its size.
    """
    return {
        field.name: getattr(instance, field.name)
        for field in dataclasses.fields(instance)  # type: ignore[arg-type]
        if field.default is field.default_factory is dataclasses.MISSING
        or getattr(instance, field.name) != getattr(defaults, field.name)
    }


def is_inference_only(instance: Any, name: str) -> bool:
    """Whether an option changes only how a fitted model answers (see `option`)."""
    return any(field.name == name and field.metadata.get(_INFERENCE_ONLY) for field in dataclasses.fields(instance))


def capabilities_of(field: dataclasses.Field[Any]) -> tuple[Capability, ...]:
    """The capabilities that an option is for (see `option`); empty for all."""
    return field.metadata.get(_CAPABILITIES, ())


def check_capability(name: str, instance: Any, model: str, capability: Capability) -> None:
    """Refuse options of a decoder that are not for what a model answers, unless they are at their defaults.

    Args:
        name: the decoder's, for the message.
        instance: the decoder.
        model: the model's name, for the message.
        capability: what the model answers for the decoder.

    Raises:
        UsageError: names the option, and what it is for.
    """
    for field in dataclasses.fields(instance):
        only_for = capabilities_of(field)
        if only_for and capability not in only_for and getattr(instance, field.name) != field.default:
            raise UsageError(
                f"option '{field.name}' of decoder '{name}' is for {' and '.join(only_for)} models, and '{model}' "
                f"answers as {capability}; leave it out"
            )


def label(name: str, instance: Any) -> str:
    """The shortest text that `parse` and `build` turn into this instance: only options that differ from defaults."""
    parts = []
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if value != default:
            parts.append(f"{field.name}={format_value(value)}")
    return f"{name}:{','.join(parts)}" if parts else name


def format_value(value: Any) -> str:
    """An option's value as it is written on the command line."""
    if value is None:
        return "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


# Not by pydantic: it takes `1.0` for int and `on` for bool, but not `1` for Literal[1], so all these rules would stay.
def _convert(hint: Any, text: str, where: str) -> Any:
    if typing.get_origin(hint) in (Union, types.UnionType):
        if text == "none" and type(None) in typing.get_args(hint):
            return None
        for literal in (arg for arg in typing.get_args(hint) if typing.get_origin(arg) is Literal):
            if text in (words := {format_value(choice): choice for choice in typing.get_args(literal)}):
                return words[text]
        members = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        (hint,) = [arg for arg in members if typing.get_origin(arg) is not Literal] or members
    if typing.get_origin(hint) is Literal:
        choices = {format_value(choice): choice for choice in typing.get_args(hint)}
        if text not in choices:
            raise UsageError(f"{where} is '{text}'{did_you_mean(text, choices)}; allowed: {', '.join(choices)}")
        return choices[text]
    if hint is bool:
        words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
        if text.lower() not in words:
            raise UsageError(f"{where} is '{text}'; allowed: yes, no")
        return words[text.lower()]
    if hint in (int, float):
        try:
            number = hint(text)
            if not math.isfinite(number):
                raise ValueError
            return number
        except (ValueError, OverflowError):  # `math.isfinite` overflows for very large whole numbers
            kind = "a whole number" if hint is int else "a number"
            raise UsageError(f"{where} is '{text}'; it must be {kind}") from None
    return text
