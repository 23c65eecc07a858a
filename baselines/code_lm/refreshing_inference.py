"""Approximate inference of `llada` that computes histories at every r-th step only (`refresh=r`).

With full attention the states of a history depend on what is revealed. Here they are computed at every r-th step; at
the steps between, a beam reuses the keys and values of its history from the last such step, as they were for the beam
that it descends from.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from mindrec_bench.core.code_space import MASK

from .llama_blocks import KeysValues
from .masked_inference import HistoryBatch, MaskedInference


@dataclass(eq=False)
class HistoryCache:
    """The last step that computed the histories of a group.

    Attributes:
        rows: which user of the group each canvas of the step belonged to. Shape: (n,)
        codes: what was revealed. Shape: (n, T)
        keys_values: of the n histories.
        uses: how many steps have used them, including that step.
    """

    rows: Tensor
    codes: Tensor
    keys_values: KeysValues
    uses: int = 1


@dataclass(frozen=True, eq=False)
class RefreshingInference(MaskedInference):
    """The denoiser context of one batch of users; what it returns depends on the calls before.

    Attributes:
        refresh: r, 2 or more.
        caches: of each group of users.
    """

    refresh: int = 2
    caches: dict[HistoryBatch, HistoryCache] = field(default_factory=dict)

    def _column_states(
        self, batch: HistoryBatch, rows: Tensor, codes: Tensor, canvas: Tensor, columns: Tensor
    ) -> Tensor:
        cache = self.caches.get(batch)
        if cache is not None and cache.uses < self.refresh:
            is_ancestor = find_ancestors(cache.rows, cache.codes, rows, codes)
            if bool(is_ancestor.any(dim=1).all()):  # else this is not a later step of the same search
                cache.uses += 1
                cache_rows = is_ancestor.byte().argmax(dim=1)
                return self._attend_cached(batch, cache.keys_values, cache_rows, rows, canvas, columns)
        states, keys_values = self._attend_full(batch, rows, canvas, columns)
        self.caches[batch] = HistoryCache(rows, codes, keys_values)
        return states


def find_ancestors(old_rows: Tensor, old_codes: Tensor, rows: Tensor, codes: Tensor) -> Tensor:
    """Which old canvases of the same user have revealed nothing that is not revealed now.

    Shapes: (m,), (m, T), (n,), (n, T) -> (n, m), bool
    """
    agree = (old_codes == codes[:, None]) | (old_codes == MASK)
    return agree.all(dim=2) & (rows[:, None] == old_rows)
