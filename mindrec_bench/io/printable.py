"""Titles and names come from anywhere: text that does not act on a terminal, and cells that no spreadsheet computes."""

from __future__ import annotations

import re
from typing import Any

from .schema import is_number

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets compute a cell that begins with one of these."""

CONTROLS = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
"""A pattern of control characters: all but line breaks and tabs, and with what changes the direction of writing."""

_ACTS = re.compile(rf"\x1b\[[0124]?m|({CONTROLS})")  # plain, bold, dim and underlined text may stay


def printable(text: str) -> str:
    r"""The text with control characters as `\u001b`, which JSON reads as the same characters.

    Line breaks, tabs and the codes for bold, dim and underlined text stay.
    """
    return _ACTS.sub(lambda match: f"\\u{ord(match[1]):04x}" if match[1] else match[0], text)


def quote_formula(value: Any) -> Any:
    """A cell of a CSV file: a text that begins as a formula gets a ' before it; a number, also as text, stays."""
    is_formula = isinstance(value, str) and value.startswith(FORMULA_STARTS) and not is_number(value)
    return f"'{value}" if is_formula else value
