"""`DiffusionSearch`: the base class of beam searches over a masked model. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mindrec_bench.core.protocols import Canvas, Capability, DenoiserContext, Ranking
from mindrec_bench.plugins.options import option

from .options import ExpansionName, Normalise, Propose, PruningName

if TYPE_CHECKING:
    from .expansion import Expansion
    from .pruning import PruningRule


@dataclass(frozen=True)
class DiffusionSearch:
    """Beam search over a masked model (docs/semantics.md, Decoding).

    A subclass sets `expansion` (which slots may be filled next) and `pruning` (which candidates survive a step): each
    is the name of a built-in policy, or a property that returns a policy.
    """

    needs: ClassVar[Capability] = "denoiser"

    normalise: Normalise = option(
        "vocabulary",
        help="what a slot's probabilities sum to 1 over: the model's whole `vocabulary`, or the `slot`'s own codes.",
    )
    propose: Propose = option(
        "top", help="each beam's proposals are its `top` ones, or a seeded `sample` from each slot's b best."
    )

    @property
    def expansion(self) -> ExpansionName | Expansion:
        """The steps that fill the SID slots: a key of `expansion.EXPANSIONS`, or an `Expansion`."""
        return "any-order"

    @property
    def pruning(self) -> PruningName | PruningRule:
        """The pruning after each of these steps: a key of `pruning.PRUNING_RULES`, or a `PruningRule`."""
        return "standard"

    def decode(self, context: DenoiserContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`."""
        from .beam_search import beam_search

        return beam_search(
            context,
            canvas,
            beam=beam,
            expansion=self.expansion,
            pruning=self.pruning,
            normalise=self.normalise,
            propose=self.propose,
        )
