"""The options that all diffusion searches share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from mindrec_bench.core.protocols import Capability

Normalise = Literal["vocabulary", "slot"]
Propose = Literal["top", "sample"]
PruneBy = Literal["bs", "dbs-dedup", "dbs-penalty"]
"""A pruning rule, by the name of the decoder that it makes of the free order."""


@dataclass(frozen=True)
class DiffusionOptions:
    """Options of every diffusion search (semantics section 4).

    Attributes:
        normalise: over what a slot's probabilities sum to 1: the model's whole `vocabulary`, or the `slot`'s own codes.
        propose: each beam's proposals are its `top` ones, or a seeded `sample` from each slot's b best.
    """

    needs: ClassVar[Capability] = "denoiser"

    normalise: Normalise = "vocabulary"
    propose: Propose = "top"
