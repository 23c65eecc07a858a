"""Commands that several tests run, and what they read of the output."""

from __future__ import annotations

from dataclasses import dataclass

DATA = "arts-sim:users=60,items=50"
RUN = ("run", "-m", "markov", "-d", "bs", "--data", DATA)


@dataclass(frozen=True)
class Broken:
    """A decoder that fails."""

    needs = "items"

    def decode(self, context, canvas, *, beam):
        raise RuntimeError("the decoder\nbroke again")


@dataclass(frozen=True)
class Interrupted:
    """A decoder during which Ctrl-C is pressed."""

    needs = "items"

    def decode(self, context, canvas, *, beam):
        raise KeyboardInterrupt


def without_progress(stderr):
    """Stderr without progress bars, which overwrite their own line, and without empty lines."""
    lines = (line.rpartition("\r")[2] for line in stderr.split("\n"))
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("decoding:", "training:")))


def replaced(words: tuple[str, ...], options: tuple[str, ...]) -> list[str]:
    """A command with these options in place of its own; an option that is given twice makes two runs."""
    values = dict(zip(words[1::2], words[2::2], strict=True)) | dict(zip(options[::2], options[1::2], strict=True))
    return [words[0], *(word for option in values.items() for word in option)]
