"""From the final beams to a Ranking."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.protocols import Ranking

from .scores import best


def ranking(codes: Tensor, scores: Tensor, beam: int, items: Tensor | None = None) -> Ranking:
    """Pad results, which stand best first, to `beam` places; those of score -inf are none.

    Args:
        codes: shape (B, M, T), M at most `beam`.
        scores: shape (B, M), float64.
        beam: b.
        items: shape (B, M), where the results are items.
    """
    missing = beam - scores.shape[1]
    scores = functional.pad(scores, (0, missing), value=-torch.inf)
    valid = scores > -torch.inf
    codes = functional.pad(codes, (0, 0, 0, missing)).where(valid[:, :, None], MASK)
    items = None if items is None else functional.pad(items, (0, missing)).where(valid, -1)
    return Ranking(codes, scores, valid.sum(dim=1), items)


def reranked(found: Ranking, scores: Tensor) -> Ranking:
    """The same results in the order of new scores. Padding stays padding.

    Args:
        found: results of a search.
        scores: shape (B, b), float64.
    """
    scores = scores.where(found.scores > -torch.inf, -torch.inf)
    beam = scores.shape[1]
    top = best(scores, beam)
    codes = found.codes.gather(1, top[:, :, None].expand(-1, -1, found.codes.shape[2]))
    return ranking(codes, scores.gather(1, top), beam)
