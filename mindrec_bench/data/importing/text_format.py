"""How a text file is written, where that is not recognised: its encoding, separator, header and quotes."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from ...errors import UsageError

_ESCAPES = {"\\t": "\t", "tab": "\t", "space": " "}


@dataclass(frozen=True)
class TextFormat:
    """What the user says of a text file.

    Attributes:
        separator: what separates two fields; None: recognised by the first row.
        encoding: a name that Python knows; None: UTF-8.
        has_header: the first row names the columns; else these are called 1, 2, and so on.
        quotes: a field in double quotes may hold separators and line breaks; else a quote is an ordinary character.
        flags: what the options begin with, for messages: `--` or `--items-`; '' where the command has none.
    """

    separator: str | None = None
    encoding: str | None = None
    has_header: bool = True
    quotes: bool = True
    flags: str = "--"

    def hint(self, option: str) -> str:
        """What else the user may do: `, or give --no-quotes`."""
        return f", or give {self.flags}{option}" if self.flags else ""

    def check(self) -> None:
        """Check the values.

        Raises:
            UsageError: the encoding is unknown, or the separator can't be one.
        """
        if self.encoding is not None:
            try:
                known = codecs.lookup(self.encoding)
                "".encode(known.name)
            except (LookupError, ValueError, TypeError) as error:
                raise UsageError(
                    f"{self.flags}encoding is '{self.encoding}', which is no text encoding that is known here; "
                    "give a standard name such as latin-1, cp1252 or utf-16"
                ) from error
        separator = self.separator
        if separator is not None and (not separator or any(mark in separator for mark in '"\r\n\x1f')):
            raise UsageError(f"{self.flags}sep is {separator!r}; give the characters between two fields, such as ';'")


def parse_separator(text: str | None) -> str | None:
    """A separator from the command line, where a tab may be written as `\\t` or `tab`."""
    return None if text is None else _ESCAPES.get(text, text)
