"""`ar-beam`: beam search from left to right, for models that only know the next code (paper eq. 1).

On a masked model, through the adapter, it is `block-m:m=1,prune=bs`. Slots that are given are not asked for; the codes
in them are part of the prefix.

Forward passes: one a masked slot. Try `mrbench run --model markov --decoder ar-beam`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mindrec_bench.core.protocols import Canvas, Capability, CausalContext, Ranking

from .search.options import Normalise

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ArBeam:
    """Beam search from left to right, for models that know the next code.

    Attributes:
        normalise: over what a slot's probabilities sum to 1: the model's whole `vocabulary`, or the `slot`'s own codes.
    """

    needs: ClassVar[Capability] = "causal"

    normalise: Normalise = "vocabulary"

    def decode(self, context: CausalContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .search.diffusion_search import diffusion_search
        from .search.expansion import left_to_right
        from .search.pruning import standard

        return diffusion_search(
            _NextCode(context),
            canvas,
            beam=beam,
            expand=left_to_right,
            prune=standard,
            normalise=self.normalise,
        )


@dataclass(frozen=True, eq=False)
class _NextCode:
    """A causal context, asked as the search asks: for one slot, of which all slots before are revealed."""

    context: CausalContext

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        """See `DenoiserContext.log_probs`."""
        (slot,) = slots
        return self.context.next_log_probs(revealed[:, :, :slot])[:, :, None]
