"""`block-m`: a diffusion search over blocks of m SID slots from left to right, in any order inside one (paper Table 5).

m = 1 is left to right, m = 4 the free order of `bs`, `dbs-dedup` and `dbs-penalty`.

Forward passes: one a masked slot. Try `mrbench run --model markov --decoder block-m:m=2`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking

from .search.options import DiffusionOptions, PruneBy


@dataclass(frozen=True, kw_only=True)
class BlockM(DiffusionOptions):
    """Diffusion beam search that finishes a block of m slots before the next.

    Attributes:
        m: slots a block; the last block takes what is left.
        prune: the rule after each step, by its decoder's name.
    """

    m: Literal[1, 2, 4]
    prune: PruneBy = "dbs-penalty"

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .search.diffusion_search import diffusion_search
        from .search.expansion import blocks
        from .search.pruning import RULES

        return diffusion_search(
            context,
            canvas,
            beam=beam,
            expand=blocks(self.m),
            prune=RULES[self.prune],
            normalise=self.normalise,
            propose=self.propose,
        )
