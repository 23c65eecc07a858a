"""`dbs-penalty`: Diffusion Beam Search as printed in the paper, or as released."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrec_bench.plugins.options import option

from .search.diffusion_search import DiffusionSearch
from .search.options import PruningName


@dataclass(frozen=True)
class DbsPenalty(DiffusionSearch):
    """Diffusion beam search with a similarity penalty (MindRec's decoder, Algorithm 1).

    Adds a penalty to `bs`: a candidate loses score for the codes that it shares with those kept before it. The authors'
    released evaluation (`variant=released`) differs: its penalty never changes which beams survive, and what remains is
    de-duplication of the SIDs (docs/semantics.md, Decoding).

    Forward passes: one per masked slot. Example: `mrbench run --model markov --decoder dbs-penalty:variant=released`.
    """

    expansion = "any-order"

    variant: Literal["printed", "released"] = option(
        "printed", help="the rule as `printed` in the paper, or as its `released` code computes it."
    )

    @property
    def pruning(self) -> PruningName:
        """The rule of the variant."""
        return "penalty" if self.variant == "printed" else "dedup-sids"
