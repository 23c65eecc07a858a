"""`block-m`: blocks of slots from left to right, in any order within a block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mindrec_bench.plugins.options import option

from .search.diffusion_search import DiffusionSearch
from .search.options import PRUNING_OF_DECODER, PruneOption, PruningName

if TYPE_CHECKING:
    from .search.expansion import Expansion


@dataclass(frozen=True, kw_only=True)
class BlockM(DiffusionSearch):
    """Diffusion beam search that fills a block of m slots before the next.

    Restricts the order of `bs`, `dbs-dedup` and `dbs-penalty` (paper Table 5): m = 1 is left to right, m = 4 any order.

    Forward passes: one per masked slot. Example: `mrbench run --model markov --decoder block-m:m=2`.
    """

    m: Literal[1, 2, 4] = option(help="slots per block; the last block may be smaller.")
    prune: PruneOption = option(
        "dbs-penalty", help="the pruning rule after each step, by the name of the decoder that uses it."
    )

    @property
    def expansion(self) -> Expansion:
        """Blocks of `m` slots."""
        from .search.expansion import blocks

        return blocks(self.m)

    @property
    def pruning(self) -> PruningName:
        """The rule that `prune` names."""
        return PRUNING_OF_DECODER[self.prune]
