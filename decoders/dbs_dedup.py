"""`dbs-dedup`: diffusion beam search that keeps a sequence once, whatever the orders that reach it (paper Table 6).

Forward passes: one a masked slot. Try `mrbench run --model markov --decoder dbs-dedup`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking

from .search.options import DiffusionOptions


@dataclass(frozen=True)
class DbsDedup(DiffusionOptions):
    """Diffusion beam search that keeps the b best distinct sequences."""

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .search.diffusion_search import diffusion_search
        from .search.expansion import any_order
        from .search.pruning import distinct

        return diffusion_search(
            context,
            canvas,
            beam=beam,
            expand=any_order,
            prune=distinct,
            normalise=self.normalise,
            propose=self.propose,
        )
