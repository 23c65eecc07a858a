"""The configuration of a tokenizer: a quantizer by name, the number of codes, and the papers' settings as presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module

from ..errors import UsageError, did_you_mean
from ..plugins import options
from .collisions import OnCollision
from .quantizer import Quantizer

QUANTIZERS = {"rqkmeans": "RqKMeans", "rqvae": "RqVae", "letter": "Letter"}
"""Name, which is also the module's name -> class."""

DEFAULT_LEVELS, DEFAULT_CODES = 4, 256
MAX_LEVELS = 25
"""Each level is written with a letter of its own, and `extra-code` needs one more."""


@dataclass(frozen=True)
class Preset:
    """The settings of a paper.

    Attributes:
        quantizer: name of the quantizer.
        options: its options as text, where they differ from the defaults.
        n_levels: M.
        n_codes: K.
        on_collision: how to handle items with equal codes.
    """

    quantizer: str
    options: Mapping[str, str] = field(default_factory=dict)
    n_levels: int = DEFAULT_LEVELS
    n_codes: int = DEFAULT_CODES
    on_collision: OnCollision = "resolve"


PRESETS = {
    # TIGER, section 4.1: 3 levels of 256 codes of 32 dimensions, encoder 512-256-128 with ReLU, beta 0.25, 20,000
    # epochs of Adagrad at 0.4 in batches of 1,024; a fourth code separates items that share the first three.
    "tiger": Preset(
        "rqvae", {"epochs": "20000", "optimizer": "adagrad", "lr": "0.4"}, n_levels=3, on_collision="extra-code"
    ),
    # LETTER, section 4.1: 4 levels of 256 codes of 32 dimensions, commitment 0.25, 20,000 epochs of AdamW at 0.001 in
    # batches of 1,024; alpha 0.02, beta 0.0001 and 10 clusters are values of its grids. The encoder is LC-Rec's.
    "letter": Preset("letter", {"epochs": "20000", "hidden": "2048-1024-512-256-128-64"}),
}


@dataclass(frozen=True)
class TokenizerConfig:
    """A quantizer with the shape of its codes and the handling of collisions.

    Attributes:
        name: name of the quantizer.
        quantizer: the quantizer with its options.
        n_levels: M.
        n_codes: K.
        on_collision: how to handle items with equal codes.
        preset: name of the preset that the settings started from, if any.
    """

    name: str
    quantizer: Quantizer
    n_levels: int
    n_codes: int
    on_collision: OnCollision
    preset: str | None = None


def make_tokenizer_config(
    method: str | None,
    preset: str | None = None,
    *,
    levels: int | None = None,
    codes: int | None = None,
    on_collision: OnCollision | None = None,
) -> TokenizerConfig:
    """Build the configuration from command-line values; None takes the preset's value, else the default.

    Args:
        method: `NAME` or `NAME:key=value,...`; None: the preset's quantizer, else rqkmeans.
        preset: key of `PRESETS`.
        levels: M, 1 to 25.
        codes: K, 2 or more.
        on_collision: how to handle items with equal codes.

    Raises:
        UsageError: an unknown name or option, a preset of another quantizer, or a value out of range.
    """
    base = PRESETS[preset] if preset else Preset("rqkmeans")
    name, raw_options = options.parse(method or base.quantizer)
    if name not in QUANTIZERS:
        raise UsageError(f"unknown method '{name}'{did_you_mean(name, QUANTIZERS)}; known: {', '.join(QUANTIZERS)}")
    if preset and name != base.quantizer:
        raise UsageError(
            f"the preset '{preset}' is for the method {base.quantizer}; leave out --method {name}, or the preset"
        )
    base = base if preset else Preset(name)
    cls: type[Quantizer] = getattr(import_module(f".{name}", __package__), QUANTIZERS[name])
    quantizer = options.build(cls, name, {**base.options, **raw_options})
    n_levels = base.n_levels if levels is None else levels
    n_codes = base.n_codes if codes is None else codes
    if not 1 <= n_levels <= MAX_LEVELS:
        raise UsageError(f"--levels is {n_levels}; it must be from 1 to {MAX_LEVELS}")
    if n_codes < 2:
        raise UsageError(f"--codes is {n_codes}; it must be 2 or more")
    return TokenizerConfig(name, quantizer, n_levels, n_codes, on_collision or base.on_collision, preset)
