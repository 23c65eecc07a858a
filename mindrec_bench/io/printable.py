"""Text for a terminal, in which no character acts on the terminal: titles and names come from anywhere."""

from __future__ import annotations

import re

_ACTS = re.compile(
    r"\x1b\[[0124]?m|"  # plain, bold, dim and underlined text may stay
    r"([\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069])"
)


def printable(text: str) -> str:
    r"""The text with control characters as `\u001b`, which JSON reads as the same characters.

    Line breaks, tabs and the codes for bold, dim and underlined text stay. What changes the direction of writing counts
    as a control character.
    """
    return _ACTS.sub(lambda match: f"\\u{ord(match[1]):04x}" if match[1] else match[0], text)
