"""The source code of a class that is not registered, which stands for the class in the identity of a run."""

from __future__ import annotations

import inspect
import linecache
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from ..errors import UsageError

MAIN = ("__main__", "__mp_main__")
"""The module of a script and of a notebook, and of a script in the worker processes that it has started."""

OURS = ("mindrec_bench", "mindrec_baselines", "mindrec_decoders")
"""Packages whose code the contract's version stands for (`store.run_spec.CONTRACT_VERSION`)."""


def source_of(cls: type) -> str:
    """The source of a class and of what it is made of.

    Of an importable module it is the whole module. Of a script or a notebook it is the class (in a notebook the cell
    that it stands in), and the functions and classes beside it that it names, and those that they name. The same holds
    for its base classes. What it imports from other modules is not part of it.

    Raises:
        UsageError: there is no source, as in an interactive Python prompt.
    """
    sources: dict[str, None] = {}
    for base in cls.__mro__:
        package = base.__module__.partition(".")[0]
        if package not in OURS and (package in MAIN or package not in sys.stdlib_module_names):
            sources |= dict.fromkeys(_sources(base))
    return "\n".join(sources)


def _sources(cls: type) -> Iterator[str]:
    module = sys.modules.get(cls.__module__)
    if module is not None and cls.__module__ not in MAIN and getattr(module, "__file__", None):
        yield _require(inspect.getsource, module, cls)
        return
    waiting: list[Any] = [cls]
    known = set()
    while waiting:
        member = waiting.pop()
        if id(member) in known:
            continue
        known.add(id(member))
        yield _require(_source_of_member, member, cls)
        for function in _functions(member):
            named = [function.__globals__.get(name) for name in sorted(_names(function.__code__))]
            waiting += [
                value
                for value in named
                if isinstance(value, type | FunctionType) and value.__module__ == cls.__module__
            ]


def _require(read: Any, subject: Any, cls: type) -> str:
    try:
        return str(read(subject))
    except (OSError, TypeError) as error:
        raise UsageError(
            f"the source code of {cls.__qualname__} can't be read, and is part of a run's identity; define it in a "
            "file or a notebook"
        ) from error


def _source_of_member(member: Any) -> str:
    """The source of a class or a function; in a notebook, the cell that a class stands in."""
    try:
        return inspect.getsource(member)
    except (OSError, TypeError):
        for function in _functions(member):  # a class of a notebook has no file, but its functions know their cell
            if lines := linecache.getlines(function.__code__.co_filename):
                return "".join(lines)
        raise


def _functions(member: Any) -> list[FunctionType]:
    """A function, or those that stand in a class."""
    values = vars(member).values() if isinstance(member, type) else [member]
    unwrapped = []
    for value in values:
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if callable(value):
            value = inspect.unwrap(value)
        if isinstance(value, FunctionType):
            unwrapped.append(value)
    return unwrapped


def _names(code: CodeType) -> set[str]:
    """The names that code uses, with those of the functions inside it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names
