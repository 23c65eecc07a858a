"""Commands that several tests run, and what they read of the output."""

from __future__ import annotations

DATA = "arts-sim:users=60,items=50"
RUN = ("run", "-m", "markov", "-d", "bs", "--data", DATA)


def without_progress(stderr):
    """Stderr without progress bars, which overwrite their own line, and without empty lines."""
    lines = (line.rpartition("\r")[2] for line in stderr.split("\n"))
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("decoding:", "training:")))
