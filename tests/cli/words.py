"""What the tests of the command line say, and what they read."""

from __future__ import annotations

DATA = "arts-sim:users=60,items=50"
RUN = ("run", "-m", "markov", "-d", "bs", "--data", DATA)


def without_bars(err):
    """Stderr without progress bars, which write over their own line, and empty lines."""
    lines = (line.rpartition("\r")[2] for line in err.split("\n"))
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("decoding:", "training:")))
