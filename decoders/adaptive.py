"""`adaptive`: each beam fills the slot that the model is most certain of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from mindrec_bench.core.protocols import Canvas, Capability, DenoiserContext, Ranking
from mindrec_bench.plugins.options import option

from .search.options import Normalise


@dataclass(frozen=True)
class Adaptive:
    """Diffusion beam search in which each beam fills the slot that the model is most certain of.

    In the paper's any-order searches, a few sequences arrive by many orders and crowd out the others. Here all
    proposals of a beam fill the same slot, so that every sequence is reached once, without de-duplication
    (docs/semantics.md, Decoding). With `order=confidence` it is the beam search of LLaDA-Rec (arXiv 2511.06254);
    docs/adaptive.md, Credits, says what is ours.

    Forward passes: one per masked slot. `rescore=r` adds one for each set of slots that r reveal orders pass through:
    with L category and M SID slots at most L + r M, and never more than L + 2^M - 1. `reverse=yes` adds one per SID
    slot. Example: `mrbench run --model markov --decoder adaptive`.
    """

    needs: ClassVar[Capability] = "denoiser"

    order: Literal["entropy", "confidence"] = option(
        "entropy", help="most certain by the lowest `entropy`, or by the highest top probability (`confidence`)."
    )
    rescore: int = option(
        0,
        help="rank the final beams by the mean log-probability over this many random reveal orders; 0: by the "
        "search's own.",
    )
    normalise: Normalise = option(
        "vocabulary",
        help="what a slot's probabilities sum to 1 over: the model's whole `vocabulary`, or the `slot`'s own codes.",
    )
    reverse: bool = option(
        False, help="rank the final beams by the mean over the search's reveal order and its reverse."
    )

    def __post_init__(self) -> None:
        if self.rescore < 0:
            raise ValueError(f"rescore is {self.rescore}; it must be a number of reveal orders, or 0 for none")
        if self.rescore and self.reverse:
            raise ValueError("rescore and reverse=yes are two ways to score the final beams; give one of them")

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .search.beam_search import beam_search
        from .search.most_certain import most_certain_slot
        from .search.rescoring import RecordingContext, random_reveal_orders, rescore_over_orders, reverse_rescore

        recording = RecordingContext(context)
        ranking = beam_search(
            recording if self.reverse else context,
            canvas,
            beam=beam,
            expansion=most_certain_slot(self.order),
            pruning="standard",
            normalise=self.normalise,
        )
        if self.reverse:
            return reverse_rescore(recording, ranking, n_categories=canvas.n_categories, normalise=self.normalise)
        if self.rescore:
            orders = random_reveal_orders(canvas, self.rescore)
            return rescore_over_orders(context, canvas, ranking, orders=orders, normalise=self.normalise)
        return ranking
