"""`dbs-dedup`: diffusion beam search that keeps a sequence once, whatever the orders that reach it (paper Table 6).

Forward passes: one a masked slot. Try `mrbench run --model markov --decoder dbs-dedup`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mindrec_bench.contracts import Canvas, DenoiserContext, Ranking

from .diffusion import DiffusionOptions


@dataclass(frozen=True)
class DbsDedup(DiffusionOptions):
    """Diffusion beam search that keeps the b best distinct sequences."""

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .expansion import any_order
        from .pruning import distinct
        from .search import diffusion_search

        return diffusion_search(
            context,
            canvas,
            beam=beam,
            expand=any_order,
            prune=distinct,
            normalise=self.normalise,
            propose=self.propose,
        )
