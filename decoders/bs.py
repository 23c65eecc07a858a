"""`bs`: plain beam search over a masked model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrec_bench.plugins.options import option

from .search.diffusion_search import DiffusionSearch
from .search.options import PruningName


@dataclass(frozen=True)
class BeamSearch(DiffusionSearch):
    """Any-order beam search that keeps the b best candidates, repeats included.

    Beam search for autoregressive models, carried over to a masked model: a step may fill any masked slot, and nothing
    keeps one sequence from filling several beams (paper Table 6, first row). With `repeats=sum` a sequence fills one
    beam, with the sum of the probabilities of the orders that reach it, as in DiffGRM's `weighted` de-duplication
    (arXiv 2510.21805).

    Forward passes: one per masked slot. Example: `mrbench run --model markov --decoder bs`.
    """

    expansion = "any-order"

    repeats: Literal["count", "sum"] = option(
        "count",
        help="a sequence reached in several orders counts as often, or once with the `sum` of their probabilities.",
    )

    @property
    def pruning(self) -> PruningName:
        """The rule for repeats."""
        return "sum" if self.repeats == "sum" else "standard"
