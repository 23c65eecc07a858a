"""TOML files, and their values as dataclasses with closed keys: an unknown key or a value of the wrong type is refused
by name."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from ..errors import UsageError, did_you_mean

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "bool": (bool,), "tuple": (list,), "Mapping": (dict,),
    "Categories": (str,), "Constrain": (str,), "Split": (str,), "None": (),
}  # fmt: skip


def read_text(path: Path, what: str) -> str:
    """The text of a file.

    Args:
        path: the file.
        what: how messages call it: `the sweep`.

    Raises:
        UsageError: it can't be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{what} {path} can't be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{what} {path} is not valid TOML, which is UTF-8: {error}") from error


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The values of a TOML text; `where` is how messages call it.

    Raises:
        UsageError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not valid TOML: {error}") from error


def validate_keys(raw: dict[str, Any], cls: type, where: str, hidden: Iterable[str] = ()) -> dict[str, Any]:
    """Check keys and plain types against the fields of a dataclass; lists become tuples.

    Args:
        raw: a TOML section.
        cls: the dataclass that it will become.
        where: how messages call the section.
        hidden: fields that the section may not set.

    Raises:
        UsageError: an unknown key, a value of the wrong type, or a field without default that is missing.
    """
    known = {f.name: f for f in fields(cls) if f.name not in hidden}
    values = {}
    for key, value in raw.items():
        if key not in known:
            raise UsageError(f"unknown key '{key}' in {where}{did_you_mean(key, known)}; allowed: {', '.join(known)}")
        parts = [part.strip().partition("[")[0] for part in str(known[key].type).split(" | ")]
        allowed = tuple(t for part in parts for t in _TYPES[part]) + ((str,) if key == "users" else ())
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            kinds = " or ".join(dict.fromkeys(t.__name__ for t in allowed))
            raise UsageError(f"'{key}' in {where} is {value!r}; it must be of type {kinds}")
        if isinstance(value, list):
            (inside,) = [_TYPES[t][0] for t in ("int", "str") if f"[{t}" in str(known[key].type)]
            if not all(type(entry) is inside for entry in value):
                raise UsageError(f"'{key}' in {where} is {value!r}; its entries must be of type {inside.__name__}")
        if isinstance(value, dict):
            value = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
        values[key] = tuple(value) if isinstance(value, list) else value
    missing = [name for name, f in known.items() if f.default is f.default_factory is MISSING and name not in values]
    if missing:
        raise UsageError(f"{where} has no key '{missing[0]}'; write {missing[0]} = ...")
    return values


def require_choice(given: str, known: Iterable[str], what: str, origin: str) -> None:
    """Refuse a name that is not known.

    Raises:
        UsageError: names it, the closest and all known ones.
    """
    if given not in (known := list(known)):
        raise UsageError(f"unknown {what} '{given}' in {origin}{did_you_mean(given, known)}; known: {', '.join(known)}")
