"""Search error: what a decoder misses of a model whose exact answer is known (semantics section 4, lifting).

An items model gives every code sequence of the canvas a probability: the sum over the items that have it and fit what
is given. The k likeliest sequences are the exact top-k; what a decoder's first k results lack of them is no error of
the model. A decoder that ranks items is held against the likeliest items instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..core.code_space import MASK, Int
from ..core.protocols import Canvas, Ranking
from .accuracy import KS, Columns, repeats

SEARCH_METRICS = tuple(f"{name}@{k}" for name in ("exact", "lost") for k in KS)
"""What a decoder missed of a model whose exact answer is known (`search_error`), as keys."""


TIE = 2e-9
"""Log-probabilities this near count as equal: scores are rounded to 1e-9, so a search may take either."""


_PAIRS_AT_ONCE = 2**20
"""Users times items in one pass: bounds the memory."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """The distinct code sequences of a catalogue.

    Slot by slot, a prefix's number and the next code make the number of a longer prefix. Prefixes are numbered below N,
    so no number of slots overflows.

    Attributes:
        items: code indices of each item. Shape: (N, T), int64
        sizes: vocabulary size of each slot.
    """

    items: Int
    sizes: tuple[int, ...]

    @cached_property
    def _levels(self) -> list[Int]:
        """For each slot the prefixes that end there, rising: number of the shorter prefix x size + code."""
        levels, prefix = [], np.zeros(len(self.items), dtype=np.int64)
        for column, size in zip(self.items.T, self.sizes, strict=True):
            level, prefix = np.unique(prefix * size + column, return_inverse=True)
            levels.append(level)
        return levels

    @cached_property
    def of_item(self) -> Int:
        """The sequence of each item. Shape: (N,)"""
        return self.find(self.items)

    def __len__(self) -> int:
        return len(self._levels[-1])

    def find(self, codes: Int) -> Int:
        """The number of each sequence, -1 where no item has it or a slot is not filled. Shape: (..., T) -> (...)"""
        prefix = np.zeros(codes.shape[:-1], dtype=np.int64)
        for column, (level, size) in enumerate(zip(self._levels, self.sizes, strict=True)):
            code = codes[..., column]
            key = np.where((prefix < 0) | (code < 0), -1, prefix * size + code)
            place = np.searchsorted(level, key).clip(max=len(level) - 1)
            prefix = np.where(level[place] == key, place, -1)
        return prefix


def search_error(weights: Tensor, canvas: Canvas, ranking: Ranking, sequences: Sequences) -> Columns:
    """How each user's results compare with the exact ones.

    Args:
        weights: p(item | history), times any factor for each user. Shape: (B, N), float64, on the CPU
        canvas: what was to be filled; its given codes restrict the items.
        ranking: the results. A sequence that stands in a list twice counts once.
        sequences: those of the canvas's catalogue.

    Returns:
        For each k of `KS` up to the beam, `exact@k`: 1 where the first k results have the probabilities of the exact
        top-k (probabilities, not identities, since sequences may tie), else 0; and `lost@k`: how much less probability
        they have. Shape of each: (B,), float64
    """
    beam = ranking.codes.shape[1]
    if ranking.items is None:
        found, of_item = sequences.find(ranking.codes.cpu().numpy()), torch.from_numpy(sequences.of_item)
    else:
        found, of_item = ranking.items.cpu().numpy(), None
    counted = torch.from_numpy((found >= 0) & ~repeats(found))
    places = torch.from_numpy(found.clip(min=0))
    start, n_at_once = canvas.start.cpu(), max(1, _PAIRS_AT_ONCE // weights.shape[1])
    users = [slice(first, first + n_at_once) for first in range(0, len(weights), n_at_once)]
    catalogue = canvas.items.cpu()
    parts = [_best_and_found(weights[u], start[u], catalogue, of_item, places[u], beam) for u in users]
    best, had = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return _at(KS, best.numpy(), had.where(counted, 0.0).numpy())


def _best_and_found(
    weights: Tensor, start: Tensor, items: Tensor, of_item: Tensor | None, places: Tensor, beam: int
) -> tuple[Tensor, Tensor]:
    """The probabilities of the `beam` likeliest, best first, and of the found ones. Shape of each: (B, beam)"""
    for given, column in zip(start.T, items.T, strict=True):
        if bool((given != MASK).any()):
            weights = weights.where((given == MASK)[:, None] | (given[:, None] == column), 0.0)
    total = weights.sum(dim=1, keepdim=True)
    if of_item is not None:
        weights = weights.new_zeros(len(weights), int(of_item.max()) + 1).index_add_(1, of_item, weights)
    best = weights.topk(min(beam, weights.shape[1]), dim=1).values
    best = torch.nn.functional.pad(best, (0, beam - best.shape[1]))
    total = total.where(total > 0, 1.0)
    return best / total, weights.gather(1, places) / total


def _at(ks: Sequence[int], best: np.ndarray, had: np.ndarray) -> Columns:
    columns: Columns = {}
    ks = [k for k in ks if k <= best.shape[1]]
    for k in ks:
        near = _ranked(had, k) >= best[:, :k] * (1 - TIE)
        columns[f"exact@{k}"] = np.where(near.all(axis=1), 1.0, 0.0)
    for k in ks:
        columns[f"lost@{k}"] = np.maximum(best[:, :k].sum(axis=1) - _ranked(had, k).sum(axis=1), 0.0)
    return columns


def _ranked(had: np.ndarray, k: int) -> np.ndarray:
    """The first k, highest first."""
    return -np.sort(-had[:, :k], axis=1)
