"""What stops a command: Ctrl-C, SIGTERM and a closed terminal, each of which ends it with 128 + the signal's number."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType

MESSAGE = "interrupted; the same command continues from what is done"


class Stopped(KeyboardInterrupt):
    """A signal has stopped the command.

    Attributes:
        exit_code: 130 for Ctrl-C, 143 for SIGTERM, 129 for a closed terminal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def stop_on_signals(*, at_once: bool) -> None:
    """Let the signals stop this process; those that the parent ignores, as `nohup` does, are ignored.

    Args:
        at_once: end the process; False: raise `Stopped`, and end the process on the next signal.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end if at_once else _raise)


def _raise(number: int, frame: FrameType | None) -> None:
    stop_on_signals(at_once=True)
    raise Stopped(number)


def _end(number: int, frame: FrameType | None) -> None:
    """End without a clean-up, which a signal has interrupted; workers end when their parent does."""
    with suppress(OSError):
        os.write(2, f"{MESSAGE}\n".encode())
    os._exit(128 + number)
