"""`bs`: any-order beam search over a masked model, without any rule of diversity (paper Table 6, first row).

Forward passes: one a masked slot. Try `mrbench run --model markov --decoder bs`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mindrec_bench.contracts import Canvas, DenoiserContext, Ranking

from .diffusion import DiffusionOptions


@dataclass(frozen=True)
class BeamSearch(DiffusionOptions):
    """Diffusion search that keeps the b best, repeats and all."""

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .expansion import any_order
        from .pruning import standard
        from .search import diffusion_search

        return diffusion_search(
            context,
            canvas,
            beam=beam,
            expand=any_order,
            prune=standard,
            normalise=self.normalise,
            propose=self.propose,
        )
