"""TOML texts, and the check of values against the annotated fields of a dataclass."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from ..errors import UsageError, did_you_mean

if TYPE_CHECKING:  # imported where values are checked: listings and help start without it
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails


T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """What the field of a configuration says about itself, as `Annotated` metadata.

    Attributes:
        help: one sentence or two, for the command line.
        none: how None is written (`all`), where it can be.
        flag: a short flag of the command line.
        default: what the help says about a default of None.
        bare: the value of its option where the command line gives none; '' where it must.
    """

    help: str = ""
    none: str = ""
    flag: str = ""
    default: str = ""
    bare: str = ""


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The values of a TOML text; `where` is what messages call it.

    Raises:
        UsageError: it is not valid TOML, or so long or deep that reading it may take all memory.
    """
    if len(text) > _MAX_TOML:
        raise UsageError(f"{where} has {len(text):,} characters; it may have {_MAX_TOML:,}: split it")
    if _DEEP_KEY.search(text) or _depth(text) > _MAX_DEPTH:
        raise UsageError(f"{where} nests keys, lists or tables more than {_MAX_DEPTH} deep; write it flat")
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:  # ValueError: a number of 5,000 digits
        raise UsageError(f"{where} is not valid TOML: {error}") from error


_MAX_TOML, _MAX_DEPTH = 1_000_000, 20
_DEEP_KEY = re.compile(rf"""(?<!["'\w-])(?:["'\w-]++[ \t]*+\.[ \t]*+){{{_MAX_DEPTH}}}""")
"""A key of many parts: the standard parser takes memory that grows with the square of their number."""


def _depth(text: str) -> int:
    """How deep brackets are nested; those in strings and comments may be counted too, in pairs."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        depth = max(0, depth + (1 if bracket in "[{" else -1))
        deepest = max(deepest, depth)
    return deepest


def validate_keys(
    raw: Mapping[str, Any],
    cls: type,
    where: str,
    *,
    hidden: Collection[str] = (),
    partial: bool = False,
    others: Collection[str] = (),
    label: Callable[[str], str] | None = None,
) -> dict[str, Any]:
    """Check keys and values against the fields of a dataclass, strictly (by pydantic); lists become tuples.

    A value that is the `Setting.none` of its field becomes None.

    Args:
        raw: the values by key, from a TOML section, a command line or Python.
        cls: the dataclass that they are for; annotations such as `annotated_types.Ge` are checked too.
        where: what messages call the section.
        hidden: fields that may not be set.
        partial: required fields may be missing.
        others: keys of the section that were taken out of it, for the message about an unknown one.
        label: what messages call the value of a key; None: the key in `where`.

    Returns:
        The values of the keys that are present.

    Raises:
        UsageError: an unknown key, a wrong value, or a missing field that has no default.
    """
    known = {f.name: f for f in own_fields_first(cls) if f.name not in hidden}
    hints = get_type_hints(cls, include_extras=True)
    label = label or (lambda key: f"'{key}' in {where}")
    values = {}
    for key, value in raw.items():
        if key not in known:
            allowed = [*known, *others]
            raise UsageError(
                f"unknown key '{key}' in {where}{did_you_mean(key, allowed)}; allowed: {', '.join(allowed)}"
            )
        values[key] = _validate(value, hints[key], label(key))
    if partial:
        return values
    missing = [name for name, f in known.items() if f.default is f.default_factory is MISSING and name not in values]
    if missing:
        raise UsageError(f"{where} has no key '{missing[0]}'; write {missing[0]} = ...")
    return values


def own_fields_first(cls: type) -> list[Field[Any]]:
    """The fields of a dataclass in the order in which people see them: its own, then those that it inherits."""
    own = [field for field in fields(cls) if field.name in cls.__annotations__]
    return own + [field for field in fields(cls) if field.name not in cls.__annotations__]


def setting_of(hint: Any) -> Setting:
    """The `Setting` of an annotated type; an empty one where it has none."""
    return next((entry for entry in getattr(hint, "__metadata__", ()) if isinstance(entry, Setting)), Setting())


def _validate(value: Any, hint: Any, label: str) -> Any:
    from pydantic import ValidationError

    none = setting_of(hint).none
    if none and value == none:
        return None
    converted = tuple(value) if isinstance(value, list) else value
    if isinstance(value, dict):
        converted = {key: tuple(entry) if isinstance(entry, list) else entry for key, entry in value.items()}
    try:
        return _type_adapter(hint).validate_python(converted)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        of_entries = any(isinstance(part, int) for part in errors[0]["loc"])
        wanted = " or ".join(dict.fromkeys([*map(_requirement, errors), *([f"'{none}'"] if none else [])]))
        guess = did_you_mean(str(value), _choices(hint)) if errors[0]["type"] == "literal_error" else ""
        subject = "its entries" if of_entries else "it"
        raise UsageError(f"{label} is {toml_value(value)}{guess}; {subject} must be {wanted}") from None


def toml_value(value: Any) -> str:
    """A value as it is written in TOML, for messages; long ones are cut."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, Mapping):
        text = f"{{{', '.join(f'{key} = {toml_value(entry)}' for key, entry in value.items())}}}"
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(map(toml_value, value))}]"
    else:
        text = repr(value) if isinstance(value, str) else str(value)  # of dates and times it is TOML's text
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


_MAX_SHOWN = 200


def read_strictly(cls: type[T], values: Any) -> T:
    """Make a dataclass, with the dataclasses inside it, from values in JSON's types; lists become tuples.

    Raises:
        ValueError: a key is unknown or missing, or a value has another type.
    """
    made: T = _dataclass_adapter(cast(Hashable, cls)).validate_json(json.dumps(values), strict=True)
    return made


@cache
def _dataclass_adapter(cls: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter, with_config

    with_config(ConfigDict(extra="forbid"))(cls)
    return TypeAdapter(cls)


@cache
def _type_adapter(hint: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(hint, config=ConfigDict(strict=True, allow_inf_nan=False))


def _choices(hint: Any) -> list[str]:
    """The values of the `Literal` in a type hint."""
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint)]
    return [choice for part in get_args(hint) if not isinstance(part, Setting) for choice in _choices(part)]


_TYPE_NAMES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "mapping_type": "a table",
    "dict_type": "a table",
}
"""Kind of pydantic's error -> what the value must be."""

_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("above", "gt"),
    "less_than_equal": ("at most", "le"),
}
"""Kind of pydantic's error -> the words before the bound, and where the error has it."""


def _requirement(error: ErrorDetails) -> str:
    """What a value must be, from pydantic's error about it."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "literal_error":
        expected = str(context["expected"])
        if " or " not in expected:
            return expected  # a single word, in quotes
        return f"one of {expected.replace(chr(39), '').replace(' or ', ', ')}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{words} {context[bound]:g}" if isinstance(context[bound], float) else f"{words} {context[bound]}"
    return _TYPE_NAMES.get(kind, error["msg"])


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


def is_number(text: str) -> bool:
    """Whether Python reads a text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
