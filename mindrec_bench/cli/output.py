"""Streams of the command line: nothing in a text acts on the terminal, and a stream that is full is one sentence."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import MrbenchError
from ..io.printable import printable


class PrintableStream:
    """A text stream that writes only what a terminal shows (`io.printable`); all else is the stream's.

    Args:
        stream: what is written to.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal has every letter

    def write(self, text: str) -> int:
        """Write a text; a carriage return at its beginning, as that of a progress bar, stays.

        Raises:
            MrbenchError: the stream is full.
        """
        if text == "":  # click asks so whether the stream takes text
            return 0
        start = "\r" if text.startswith("\r") else ""
        with self._explained():
            return int(self._stream.write(start + printable(text[len(start) :])))

    def flush(self) -> None:
        """Flush the stream.

        Raises:
            MrbenchError: the stream is full.
        """
        with self._explained():
            self._stream.flush()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno == errno.EPIPE:  # `| head` has read enough
                raise
            self._discard()
            raise MrbenchError(
                f"the output can't be written ({error.strerror or error}); free some space, or write it elsewhere"
            ) from error

    def _discard(self) -> None:
        """Send what is still buffered to nowhere, else Python complains about it again when it exits."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def printable_streams() -> Iterator[None]:
    """Print through `PrintableStream` during the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = PrintableStream(before[0]), PrintableStream(before[1])  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
