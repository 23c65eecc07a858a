"""`bs`: plain beam search over a masked model."""

from __future__ import annotations

from dataclasses import dataclass

from .search.diffusion_search import DiffusionSearch


@dataclass(frozen=True)
class BeamSearch(DiffusionSearch):
    """Any-order beam search that keeps the b best candidates, repeats included.

    Beam search for autoregressive models, carried over to a masked model: a step may fill any masked slot, and nothing
    keeps one sequence from filling several beams (paper Table 6, first row).

    Forward passes: one per masked slot. Example: `mrbench run --model markov --decoder bs`.
    """

    expansion = "any-order"
    pruning = "standard"
