"""`rank-items`: the exact best items of a model that scores every item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.protocols import Canvas, Capability, ItemsContext, Ranking


@dataclass(frozen=True)
class RankItems:
    """The exact b best items, for models that score every item.

    The reference that the searches on such a model are compared with: they lose against it by search error alone.

    Forward passes: one. Example: `mrbench run --model markov --decoder rank-items`.
    """

    needs: ClassVar[Capability] = "items"

    def decode(self, context: ItemsContext, canvas: Canvas, *, beam: int) -> Ranking:
        """See `Decoder.decode`. Ranks the items that match `canvas.start` and are not excluded, by p among these."""
        import torch

        from mindrec_bench.core.lifting import renormalise

        from .search.results import make_ranking
        from .search.scores import stable_topk

        scores = context.log_probs().double()
        for start_codes, item_codes in zip(canvas.start.T, canvas.items.T, strict=True):
            matches = (start_codes[:, None] == MASK) | (start_codes[:, None] == item_codes)
            scores = scores.where(matches, -torch.inf)
        if canvas.excluded is not None:
            scores = scores.masked_fill(canvas.excluded.among(len(canvas.items)), -torch.inf)
        scores = renormalise(scores)
        items = stable_topk(scores, beam)
        return make_ranking(canvas.items[items], scores.gather(1, items), beam, items)
