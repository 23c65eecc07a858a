"""Progress on stderr: a bar on a terminal, and a line now and then where stderr is a file or a pipe."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from tqdm import tqdm

LINE_SECONDS = 15.0
"""Seconds between two lines: a job of a day writes 6,000, and nobody waits long for a sign of life."""


class ProgressBar(tqdm):  # type: ignore[type-arg]
    """A `tqdm` on stderr that writes whole lines where nobody sees a bar; `disable=True` writes nothing.

        training: 1,200 of 4,800 steps (25%), 31.5 steps/s, 01:54 left, valid_loss=3.21

    The last line says how long it took. Arguments are those of `tqdm`; `unit` is a plural, and `desc` is needed.
    """

    disable: bool

    def __init__(self, *args: Any, **settings: Any) -> None:
        self._as_lines = not sys.stderr.isatty()
        self._last_line = time.monotonic()
        columns = os.environ.get("COLUMNS", "")
        width = {"ncols": int(columns)} if columns.isdecimal() else {"dynamic_ncols": True}
        settings = {"file": sys.stderr, **width, **settings}
        settings["unit"] = f" {settings['unit'].strip()}"
        if self._as_lines:
            settings |= {"mininterval": LINE_SECONDS, "maxinterval": 2 * LINE_SECONDS, "miniters": 0}
        super().__init__(*args, **settings)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Show the bar, or write a line if the last one is old enough; see `tqdm.display`."""
        if not self._as_lines:
            return bool(super().display(msg, pos))
        if time.monotonic() - self._last_line >= LINE_SECONDS:
            self._write(self.line())
        return True

    def close(self) -> None:
        """Write the last line, or leave the bar; see `tqdm.close`."""
        if not self._as_lines:
            super().close()
        elif not self.disable:
            done = self.format_dict
            self._write(f"{self._count(done)} in {self.format_interval(done['elapsed'])}{self._postfix(done)}")
            self.disable = True  # `tqdm.close` would write a line break more
            self._decr_instances(self)

    def line(self) -> str:
        """The state in words."""
        done = self.format_dict
        rate = (done["n"] - done["initial"]) / done["elapsed"] if done["elapsed"] else 0.0
        speed = f"{rate:,.1f}" if rate >= 1 else f"{rate:.2g}"
        left = ""
        if done["total"] and rate:
            left = f", {self.format_interval((done['total'] - done['n']) / rate)} left"
        return f"{self._count(done)}, {speed}{done['unit']}/s{left}{self._postfix(done)}"

    def _count(self, done: dict[str, Any]) -> str:
        name = done["prefix"].removesuffix(": ")
        if not done["total"]:
            return f"{name}: {done['n']:,}{done['unit']}"
        return f"{name}: {done['n']:,} of {done['total']:,}{done['unit']} ({done['n'] / done['total']:.0%})"

    def _postfix(self, done: dict[str, Any]) -> str:
        return f", {done['postfix']}" if done["postfix"] else ""

    def _write(self, line: str) -> None:
        self._last_line = time.monotonic()
        print(line, file=self.fp, flush=True)
