"""`n-per-step`: n slots of every beam in each step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mindrec_bench.plugins.options import option

from .search.diffusion_search import DiffusionSearch
from .search.options import PRUNING_OF_DECODER, PruneOption, PruningName

if TYPE_CHECKING:
    from .search.expansion import Expansion


@dataclass(frozen=True, kw_only=True)
class NPerStep(DiffusionSearch):
    """Diffusion beam search that reveals n slots per step, by exact joint choices.

    Trades accuracy for forward passes (paper Figure 3). The slots of a step are chosen jointly, by the product of their
    marginals, and exactly: at n = 4 the one step returns the b best whole SIDs, where the paper stops at the best one.
    n = 1 is the any-order search.

    Forward passes: one per n masked SID slots. Example: `mrbench run --model markov --decoder n-per-step:n=2`.
    """

    n: Literal[1, 2, 3, 4] = option(help="slots per step; the last step fills the remaining slots.")
    prune: PruneOption = option(
        "dbs-penalty", help="the pruning rule after each step, by the name of the decoder that uses it."
    )

    def __post_init__(self) -> None:
        if self.propose == "sample" and self.n > 1:
            raise ValueError(f"propose=sample draws the codes of one slot, but n is {self.n}; allowed: propose=top")

    @property
    def expansion(self) -> Expansion:
        """`n` slots together."""
        from .search.joint_expansion import joint_slots

        return joint_slots(self.n)

    @property
    def pruning(self) -> PruningName:
        """The rule that `prune` names."""
        return PRUNING_OF_DECODER[self.prune]
