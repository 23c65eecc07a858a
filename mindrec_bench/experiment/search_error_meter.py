"""Search error of a model whose exact answer is not known: by the ranking of another decoder (`--search-error`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.catalogue import Int
from ..core.code_space import MASK
from ..core.dataset import Examples
from ..core.protocols import ItemRanker, Ranking
from ..core.timing import timed_section
from ..metrics.accuracy import Columns
from .batch_decoder import BatchDecoder, Meter


@dataclass(frozen=True, eq=False)
class SearchErrorMeter:
    """Ranks the same users by the reference, and gives the results of a decoder the reference's scores.

    A result is the item with its semantic ID (SID), whatever categories it came with. Its probability is that of the
    item, so a SID that no item has counts for nothing.

    Attributes:
        reference: the decoder that ranks items.
        batch_decoder: the reference on the fitted model, set up as the decoder that is measured.
    """

    reference: ItemRanker
    batch_decoder: BatchDecoder

    def measure(self, batch: Examples, ranking: Ranking) -> Columns:
        """What the results of a batch miss, by user; see `metrics.search_error.search_error_against`.

        Where the reference proves results, `certified@k` too.
        """
        import torch

        from ..metrics.search_error import certified, search_error_against

        with torch.inference_mode(), timed_section("search error"):
            context, canvas, best = self.batch_decoder.decode_batch(batch, Meter())
            items = self._items(ranking.codes.cpu().numpy())
            rows = torch.as_tensor(items, device=canvas.items.device)
            codes = canvas.items[rows.clamp(min=0)].where((rows >= 0)[..., None], MASK)
            scores = self.reference.score_items(context, canvas, codes).cpu().numpy()
            best_sids = self._sids(self._items(best.codes.cpu().numpy()))
            columns = search_error_against(best_sids, best.scores.cpu().numpy(), self._sids(items), scores)
            return columns if best.certified is None else columns | certified(best.certified, self.batch_decoder.beam)

    def _items(self, codes: Int) -> Int:
        """The item that each result is, -1 for none: the one with these codes, else the first with this SID."""
        space = self.batch_decoder.space
        items = space.index(self.batch_decoder.slots).find_items(codes)
        return np.where(items >= 0, items, space.sid_index.find_items(codes[..., -len(space.sid_slots) :]))

    def _sids(self, items: Int) -> Int:
        """The SID of each item, as a number. Shape: (B, b) -> (B, b)"""
        return np.where(items >= 0, self.batch_decoder.space.sid_index.item_sequences[items], -1)
