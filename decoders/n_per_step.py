"""`n-per-step`: a diffusion search that reveals n slots of every beam at each step (paper Figure 3).

The choices of a step are joint over the slots, by the product of their marginals, and exact: at n = 4 the one step
returns the b best whole SIDs, where the paper stops at the best one. n = 1 is the plain search.

Forward passes: one for n masked SID slots. Try `mrbench run --model markov --decoder n-per-step:n=2`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking

from .search.options import DiffusionOptions, PruneBy


@dataclass(frozen=True, kw_only=True)
class NPerStep(DiffusionOptions):
    """Diffusion beam search that reveals n slots a step, by exact joint choices.

    Attributes:
        n: slots a step; the last step takes what is left.
        prune: the rule after each step, by its decoder's name.
    """

    n: Literal[1, 2, 3, 4]
    prune: PruneBy = "dbs-penalty"

    def __post_init__(self) -> None:
        if self.propose == "sample" and self.n > 1:
            raise ValueError(f"propose=sample draws the codes of one slot, and n is {self.n}; allowed: propose=top")

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .search.diffusion_search import diffusion_search
        from .search.joint import n_at_once
        from .search.pruning import RULES

        return diffusion_search(
            context,
            canvas,
            beam=beam,
            expand=n_at_once(self.n),
            prune=RULES[self.prune],
            normalise=self.normalise,
            propose=self.propose,
        )
