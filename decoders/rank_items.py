"""`rank-items`: the exact top-b items of a model that scores every item; the yardstick for every search on it.

Forward passes: one. Try `mrbench run --model markov --decoder rank-items`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.protocols import Canvas, Capability, ItemsContext, Ranking


@dataclass(frozen=True)
class RankItems:
    """The exact b best items, for models that score every item."""

    needs: ClassVar[Capability] = "items"

    def decode(self, context: ItemsContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`. Only items that fit `canvas.start` are ranked, by their probability among these."""
        import torch

        from mindrec_bench.core.lifting import renormalised

        from .search.results import ranking
        from .search.scores import best

        scores = context.log_probs().double()
        for given, codes in zip(canvas.start.T, canvas.items.T, strict=True):
            fits = (given[:, None] == MASK) | (given[:, None] == codes)
            scores = scores.where(fits, -torch.inf)
        scores = renormalised(scores)
        items = best(scores, beam)
        return ranking(canvas.items[items], scores.gather(1, items), beam, items)
