"""Errors for users. Each message is one sentence: what is wrong, where, and what to do.

The command line prints the message and exits with `exit_code`; it shows a traceback only with `--debug`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


class MrbenchError(Exception):
    """A failure while running (exit code 1)."""

    exit_code = 1


class UsageError(MrbenchError):
    """A request that can't be run, such as an unknown name or a value out of range (exit code 2)."""

    exit_code = 2


class DataError(MrbenchError):
    """Missing or broken data or weights (exit code 3)."""

    exit_code = 3


def attempt_all(
    things: Iterable[T], action: Callable[[T], object], on_failure: Callable[[T, MrbenchError], object]
) -> int:
    """Do something with each of several things; one that fails does not stop the others.

    Returns:
        The highest exit code of those that failed, or 0.
    """
    exit_code = 0
    for thing in things:
        try:
            action(thing)
        except MrbenchError as error:
            on_failure(thing, error)
            exit_code = max(exit_code, error.exit_code)
    return exit_code


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' (did you mean X?)' with the closest known name; '' where none is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""
