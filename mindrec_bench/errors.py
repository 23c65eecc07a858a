"""Errors a user can meet. Each message is one sentence: what is wrong, where, and what to do.

The command line prints the message and ends with `exit_code`; a traceback appears under `--debug` only.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MrbenchError(Exception):
    """Something failed while running (exit code 1)."""

    exit_code = 1


class UsageError(MrbenchError):
    """The question itself is wrong: an unknown name or option, an impossible pair, a value out of range (2)."""

    exit_code = 2


class DataError(MrbenchError):
    """Data or weights are missing or broken (exit code 3)."""

    exit_code = 3


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return ' (did you mean X?)' for the closest known name, or '' when none is close."""
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{close[0]}'?)" if close else ""
