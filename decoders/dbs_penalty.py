"""`dbs-penalty`: Diffusion Beam Search as printed, with its penalty on likeness (paper Algorithm 1).

`variant=released` is what the authors' public evaluation computes: its penalty never changes which beams survive, and
what is left is de-duplication on the SID alone (semantics section 4).

Forward passes: one a masked slot. Try `mrbench run --model markov --decoder dbs-penalty:variant=released`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking

from .search.options import DiffusionOptions


@dataclass(frozen=True)
class DbsPenalty(DiffusionOptions):
    """Diffusion beam search with a penalty on likeness (MindRec's decoder, Algorithm 1).

    Attributes:
        variant: the rule as `printed` in the paper, or what its `released` code does.
    """

    variant: Literal["printed", "released"] = "printed"

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .search.diffusion_search import diffusion_search
        from .search.expansion import any_order
        from .search.pruning import distinct_sids, penalised

        return diffusion_search(
            context,
            canvas,
            beam=beam,
            expand=any_order,
            prune=penalised if self.variant == "printed" else distinct_sids,
            normalise=self.normalise,
            propose=self.propose,
        )
