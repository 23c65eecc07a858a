"""TOML files, and the check of their values against the fields of a dataclass."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..errors import UsageError, did_you_mean


def read_toml_text(path: Path, what: str) -> str:
    """The text of a TOML file, not yet parsed.

    Args:
        path: the file.
        what: what messages call it: `the sweep`.

    Raises:
        UsageError: it can't be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{what} {path} can't be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {path} is not valid TOML, which is UTF-8: {error}") from error


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The values of a TOML text; `where` is what messages call it.

    Raises:
        UsageError: it is not valid TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not valid TOML: {error}") from error


def validate_keys(
    raw: Mapping[str, Any], cls: type, where: str, *, hidden: Collection[str] = (), or_text: Collection[str] = ()
) -> dict[str, Any]:
    """Check the keys and types of a TOML section against the fields of a dataclass; lists become tuples.

    A field may be a string (or a `Literal` of strings), a number, a bool, a tuple of one type, a mapping, or a union of
    these with None.

    Args:
        raw: the section.
        cls: the dataclass that it will become.
        where: what messages call the section.
        hidden: fields that the section may not set.
        or_text: fields that may be a string whatever their type, such as "all" for a number.

    Raises:
        UsageError: an unknown key, a value of the wrong type, or a missing field that has no default.
    """
    known = {f.name: f for f in fields(cls) if f.name not in hidden}
    hints = get_type_hints(cls)
    values = {}
    for key, value in raw.items():
        if key not in known:
            raise UsageError(f"unknown key '{key}' in {where}{did_you_mean(key, known)}; allowed: {', '.join(known)}")
        options = _union_members(hints[key])
        allowed = tuple(t for option in options for t in _toml_types(option)) + ((str,) if key in or_text else ())
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            names = " or ".join(dict.fromkeys(t.__name__ for t in allowed))
            raise UsageError(f"'{key}' in {where} is {value!r}; it must be of type {names}")
        if isinstance(value, list):
            entry_type = next(get_args(option)[0] for option in options if get_origin(option) is tuple)
            if not all(type(entry) is entry_type for entry in value):
                raise UsageError(f"'{key}' in {where} is {value!r}; its entries must be of type {entry_type.__name__}")
            value = tuple(value)
        elif isinstance(value, dict):
            value = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
        values[key] = value
    missing = [name for name, f in known.items() if f.default is f.default_factory is MISSING and name not in values]
    if missing:
        raise UsageError(f"{where} has no key '{missing[0]}'; write {missing[0]} = ...")
    return values


def _union_members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _toml_types(hint: Any) -> tuple[type, ...]:
    """The types of the TOML values that fit a type hint."""
    if hint is NoneType:
        return ()  # TOML has no null: a key that is left out takes the default
    if hint is float:
        return (int, float)
    return ({Literal: str, tuple: list, Mapping: dict}.get(get_origin(hint), hint),)


def require_choice(name: str, known: Iterable[str], what: str, where: str) -> None:
    """Refuse a name that is not known.

    Args:
        name: to check.
        known: all names.
        what: the kind of thing that they name, for the message.
        where: what the message calls the file or section.

    Raises:
        UsageError: names it, the closest and all known ones.
    """
    if name not in (known := list(known)):
        raise UsageError(f"unknown {what} '{name}' in {where}{did_you_mean(name, known)}; known: {', '.join(known)}")
