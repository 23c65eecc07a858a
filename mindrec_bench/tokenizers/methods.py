"""The tokenizers by name, and the papers' settings as presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module

from ..errors import UsageError, did_you_mean
from ..plugins import options
from .collisions import OnCollision
from .quantised import Method

METHODS = {"rqkmeans": "RqKMeans", "rqvae": "RqVae", "letter": "Letter"}
"""Name, which is also the module's -> class."""

LEVELS, CODES = 4, 256
MAX_LEVELS = 25
"""A letter a level, and one for the numbering of `extra-code`."""


@dataclass(frozen=True)
class Preset:
    """A paper's settings.

    Attributes:
        method: name of the tokenizer.
        options: its options as text, where they differ from the defaults.
        levels: M.
        codes: K.
        on_collision: what happens to items with equal codes.
    """

    method: str
    options: Mapping[str, str] = field(default_factory=dict)
    levels: int = LEVELS
    codes: int = CODES
    on_collision: OnCollision = "resolve"


PRESETS = {
    # TIGER, section 4.1: 3 levels of 256 codes of 32 dimensions, encoder 512-256-128 with ReLU, beta 0.25, 20,000
    # epochs of Adagrad at 0.4 in batches of 1,024; a fourth code tells items apart that share the three.
    "tiger": Preset(
        "rqvae", {"epochs": "20000", "optimizer": "adagrad", "lr": "0.4"}, levels=3, on_collision="extra-code"
    ),
    # LETTER, section 4.1: 4 levels of 256 codes of 32 dimensions, commitment 0.25, 20,000 epochs of AdamW at 0.001 in
    # batches of 1,024; alpha 0.02, beta 0.0001 and 10 clusters are of its grids. The encoder is LC-Rec's.
    "letter": Preset("letter", {"epochs": "20000", "hidden": "2048-1024-512-256-128-64"}),
}


@dataclass(frozen=True)
class Choice:
    """A tokenizer with all that is asked of it.

    Attributes:
        name: of the method.
        method: with its options.
        levels: M.
        codes: K.
        on_collision: what happens to items with equal codes.
        preset: the preset that it started from, if one.
    """

    name: str
    method: Method
    levels: int
    codes: int
    on_collision: OnCollision
    preset: str | None = None


def choose(
    method: str | None,
    preset: str | None = None,
    *,
    levels: int | None = None,
    codes: int | None = None,
    on_collision: OnCollision | None = None,
) -> Choice:
    """Make a tokenizer from what the command line says; what is None comes from the preset, else from the defaults.

    Args:
        method: `NAME` or `NAME:key=value,...`; None: the preset's, else rqkmeans.
        preset: key of `PRESETS`.
        levels: M, 1 to 25.
        codes: K, 2 or more.
        on_collision: what happens to items with equal codes.

    Raises:
        UsageError: an unknown name or option, a preset of another method, or a value out of range.
    """
    base = PRESETS[preset] if preset else Preset("rqkmeans")
    name, raw = options.parse(method or base.method)
    if name not in METHODS:
        raise UsageError(f"unknown method '{name}'{did_you_mean(name, METHODS)}; known: {', '.join(METHODS)}")
    if preset and name != base.method:
        raise UsageError(f"the preset '{preset}' is one of {base.method}; leave out --method {name}, or the preset")
    base = base if preset else Preset(name)
    kind: type[Method] = getattr(import_module(f".{name}", __package__), METHODS[name])
    made = options.build(kind, name, {**base.options, **raw})
    levels = base.levels if levels is None else levels
    codes = base.codes if codes is None else codes
    if not 1 <= levels <= MAX_LEVELS:
        raise UsageError(f"--levels is {levels}; it must be from 1 to {MAX_LEVELS}")
    if codes < 2:
        raise UsageError(f"--codes is {codes}; it must be 2 or more")
    return Choice(name, made, levels, codes, on_collision or base.on_collision, preset)
