"""`ar-beam`: beam search from left to right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mindrec_bench.core.protocols import Canvas, Capability, CausalContext, Ranking
from mindrec_bench.plugins.options import option

from .search.options import Normalise


@dataclass(frozen=True)
class ArBeam:
    """Beam search from left to right, for models that predict the next code.

    The decoder of the paper's autoregressive baselines (eq. 1). On a masked model, through the adapter, it equals
    `block-m:m=1,prune=bs`. Given slots are not predicted; their codes are part of the prefix.

    Forward passes: one per masked slot. Example: `mrbench run --model markov --decoder ar-beam`.
    """

    needs: ClassVar[Capability] = "causal"

    normalise: Normalise = option(
        "vocabulary",
        help="what a slot's probabilities sum to 1 over: the model's whole `vocabulary`, or the `slot`'s own codes.",
    )

    def decode(self, context: CausalContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .search.beam_search import beam_search
        from .search.item_scores import NextCodeAsDenoiser

        return beam_search(
            NextCodeAsDenoiser(context),
            canvas,
            beam=beam,
            expansion="left-to-right",
            pruning="standard",
            normalise=self.normalise,
        )
