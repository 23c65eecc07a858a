"""`bs`: any-order beam search over a masked model, without any rule of diversity (paper Table 6, first row).

Forward passes: one a masked slot. Try `mrbench run --model markov --decoder bs`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking

from .search.options import DiffusionOptions


@dataclass(frozen=True)
class BeamSearch(DiffusionOptions):
    """Diffusion search that keeps the b best, repeats and all."""

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .search.diffusion_search import diffusion_search
        from .search.expansion import any_order
        from .search.pruning import standard

        return diffusion_search(
            context,
            canvas,
            beam=beam,
            expand=any_order,
            prune=standard,
            normalise=self.normalise,
            propose=self.propose,
        )
