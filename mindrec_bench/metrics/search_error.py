"""Search error: what a decoder misses of the best results that its model knows (docs/semantics.md, Metrics).

An items model gives every code sequence of the canvas a probability: the sum over the items that have it and match the
given codes; what the canvas excludes has none. The k likeliest sequences are the exact top-k; what a decoder's first k
results lack of them is no error of the model. A decoder that ranks items is compared with the likeliest items instead.

A network's exact answer is not known, but another decoder may rank the items of the catalogue by the network's own
probability (`--search-error`). What it and the decoder find together stands for the exact top-k.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.catalogue import CatalogueIndex, Int
from ..core.code_space import MASK
from ..core.protocols import Canvas, Ranking
from .accuracy import Columns, duplicated
from .names import KS

TIE_TOLERANCE = 2e-9
"""Log-probabilities this close count as equal: scores are rounded to 1e-9, so a search may take either."""

Scores = NDArray[np.float64]

_CHUNK_SIZE = 2**20
"""Users times items compared at a time: bounds the memory."""


def search_error(weights: Tensor, canvas: Canvas, ranking: Ranking, index: CatalogueIndex) -> Columns:
    """Compare each user's results with the exact ones.

    Args:
        weights: p(item | history), times any factor for each user. Shape: (B, N), float64, on the CPU
        canvas: what was to be filled; its given codes and what it excludes restrict the items.
        ranking: the results. A sequence that a list repeats counts once.
        index: of the catalogue on the slots of the canvas.

    Returns:
        For each k of `KS` up to the beam, `exact@k`: 1 where the first k results have the probabilities of the exact
        top-k (probabilities, not identities, since sequences may tie), else 0; `lost@k`: how much less probability they
        have; and `lost_share@k`: as a share of the exact top-k's. Shape of each: (B,), float64
    """
    beam = ranking.codes.shape[1]
    if canvas.excluded is not None:
        weights = weights.masked_fill(canvas.excluded.among(weights.shape[1]).cpu(), 0.0)
    if ranking.items is None:
        results = index.find_sequences(ranking.codes.cpu().numpy())
        item_sequences = torch.from_numpy(index.item_sequences)
    else:
        results, item_sequences = ranking.items.cpu().numpy(), None
    counted = torch.from_numpy((results >= 0) & ~duplicated(results))
    columns = torch.from_numpy(results.clip(min=0))
    start, items = canvas.start.cpu(), canvas.items.cpu()
    chunk = max(1, _CHUNK_SIZE // weights.shape[1])
    users = [slice(first, first + chunk) for first in range(0, len(weights), chunk)]
    parts = [_best_and_reached(weights[u], start[u], items, item_sequences, columns[u], beam) for u in users]
    best, reached = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return _compare(best.numpy(), reached.where(counted, 0.0).numpy())


def search_error_against(best: Int, best_scores: Scores, results: Int, scores: Scores) -> Columns:
    """Compare each user's results with those of a decoder that ranks items, and count what only the results have.

    Args:
        best: the ranked items by their SIDs (`CatalogueIndex.item_sequences`), -1 in the padding. Shape: (B, b)
        best_scores: their log-probabilities. Shape: (B, b)
        results: the results in the same way, -1 for what is no item too. Shape: (B, b)
        scores: their log-probabilities, from the same decoder. Shape: (B, b)

    Returns:
        As `search_error`.
    """
    # One item has one probability, though it may have been computed twice, with other rounding.
    same = (results[:, :, None] == best[:, None]) & (results >= 0)[:, :, None]
    ranked = np.take_along_axis(best_scores, same.argmax(axis=2), axis=1)
    probs = np.exp(np.where(same.any(axis=2), ranked, scores))
    reached = np.where((results >= 0) & ~duplicated(results), probs, 0.0)
    both = np.concatenate([best, results], axis=1)
    found = np.where((both >= 0) & ~duplicated(both), np.concatenate([np.exp(best_scores), probs], axis=1), 0.0)
    return _compare(-np.sort(-found, axis=1)[:, : results.shape[1]], reached)


def certified(counts: Tensor, beam: int) -> Columns:
    """For each k of `KS` up to the beam, `certified@k`: 1 where a user's first k results are proved to be the best.

    Args:
        counts: `Ranking.certified`. Shape: (B,)
        beam: results per user.
    """
    counted = counts.cpu().numpy()
    return {f"certified@{k}": np.where(counted >= k, 1.0, 0.0) for k in KS if k <= beam}


def _best_and_reached(
    weights: Tensor, start: Tensor, items: Tensor, item_sequences: Tensor | None, columns: Tensor, beam: int
) -> tuple[Tensor, Tensor]:
    """The probabilities of the `beam` likeliest, best first, and of the results. Shape of each: (B, beam)

    Args:
        weights: as `search_error`. Shape: (B, N)
        start: as `Canvas.start`. Shape: (B, T)
        items: as `Canvas.items`. Shape: (N, T)
        item_sequences: the sequence of each item, or None where results are items. Shape: (N,)
        columns: the sequence or item of each result. Shape: (B, beam)
        beam: results per user.
    """
    for code, column in zip(start.T, items.T, strict=True):
        if bool((code != MASK).any()):
            weights = weights.where((code == MASK)[:, None] | (code[:, None] == column), 0.0)
    total = weights.sum(dim=1, keepdim=True)
    if item_sequences is not None:
        sums = weights.new_zeros(len(weights), int(item_sequences.max()) + 1)
        weights = sums.index_add_(1, item_sequences, weights)
    best = weights.topk(min(beam, weights.shape[1]), dim=1).values
    best = torch.nn.functional.pad(best, (0, beam - best.shape[1]))
    total = total.where(total > 0, 1.0)
    return best / total, weights.gather(1, columns) / total


def _compare(best: np.ndarray, reached: np.ndarray) -> Columns:
    """The metrics, from probabilities of the exact top results and of the decoder's. Shape of each: (B, beam)"""
    exact: Columns = {}
    lost: Columns = {}
    share: Columns = {}
    for k in (k for k in KS if k <= best.shape[1]):
        ranked = -np.sort(-reached[:, :k], axis=1)
        exact[f"exact@{k}"] = np.where((ranked >= best[:, :k] * (1 - TIE_TOLERANCE)).all(axis=1), 1.0, 0.0)
        total = best[:, :k].sum(axis=1)
        lost[f"lost@{k}"] = np.maximum(total - ranked.sum(axis=1), 0.0)
        share[f"lost_share@{k}"] = lost[f"lost@{k}"] / np.where(total > 0, total, 1.0)
    return exact | lost | share
