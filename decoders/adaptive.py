"""`adaptive`: each beam fills the slot it is surest of, and only that one (ours; semantics section 4).

In the any-order searches of the paper a few sequences arrive by many orders and crowd the others out. Here a beam's
proposals all fill one slot, so whole sequences are reached once, without any rule against repeats.

Forward passes: one a masked slot. `rescore=r` adds one for each set of slots that r reveal orders pass through: with L
category and M SID slots at most L + r M, and never more than L + 2^M - 1. `reverse=yes` adds one a SID slot. Try
`mrbench run --model markov --decoder adaptive`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from mindrec_bench.core.protocols import Canvas, Capability, DenoiserContext, Ranking
from mindrec_bench.plugins.options import LATER

from .search.options import Normalise


@dataclass(frozen=True)
class Adaptive:
    """Diffusion beam search in which each beam fills the slot it is surest of.

    Attributes:
        order: surest by the lowest `entropy`, or by the highest top probability (`confidence`).
        rescore: rank the final beams by the mean log-probability over so many random reveal orders; 0: by the search's.
        reverse: rank the final beams by the mean of the search's reveal order and its reverse.
        normalise: over what a slot's probabilities sum to 1: the model's whole `vocabulary`, or the `slot`'s own codes.
    """

    needs: ClassVar[Capability] = "denoiser"

    order: Literal["entropy", "confidence"] = "entropy"
    rescore: int = 0
    normalise: Normalise = "vocabulary"
    reverse: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        if self.rescore < 0:
            raise ValueError(f"rescore is {self.rescore}; it must be a number of reveal orders, or 0 for none")
        if self.rescore and self.reverse:
            raise ValueError("rescore and reverse=yes are two ways to score the final beams; give one of them")

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .search.diffusion_search import diffusion_search
        from .search.most_certain import surest_first
        from .search.pruning import standard
        from .search.rescoring import rescored, reveal_orders
        from .search.reverse_rescoring import Trail, both_ways

        trail = Trail(context)
        found = diffusion_search(
            trail if self.reverse else context,
            canvas,
            beam=beam,
            expand=surest_first(self.order),
            prune=standard,
            normalise=self.normalise,
        )
        if self.reverse:
            return both_ways(trail, found, n_categories=canvas.n_categories, normalise=self.normalise)
        if not self.rescore:
            return found
        orders = reveal_orders(canvas, self.rescore)
        return rescored(context, canvas, found, orders=orders, normalise=self.normalise)
