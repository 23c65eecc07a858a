"""From the final beams to a `Ranking`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.protocols import Ranking

from .scores import stable_topk


def make_ranking(
    codes: Tensor, scores: Tensor, beam: int, items: Tensor | None = None, certified: Tensor | None = None
) -> Ranking:
    """Pad results, which are ordered best first, to `beam` entries; entries of score -inf become padding.

    Args:
        codes: shape (B, M, T), int64; M is at most `beam`.
        scores: shape (B, M), float64.
        beam: b.
        items: shape (B, M), int64, where the results are items.
        certified: see `Ranking`.
    """
    n_missing = beam - scores.shape[1]
    scores = functional.pad(scores, (0, n_missing), value=-torch.inf)
    valid = scores > -torch.inf
    codes = functional.pad(codes, (0, 0, 0, n_missing)).where(valid[:, :, None], MASK)
    items = None if items is None else functional.pad(items, (0, n_missing)).where(valid, -1)
    return Ranking(codes, scores, valid.sum(dim=1), items, certified)


def rerank(ranking: Ranking, scores: Tensor) -> Ranking:
    """The same sequences in the order of new scores. Padding stays padding.

    Args:
        ranking: results of a search.
        scores: shape (B, b), float64.
    """
    scores = scores.where(ranking.scores > -torch.inf, -torch.inf)
    beam = scores.shape[1]
    top = stable_topk(scores, beam)
    codes = ranking.codes.gather(1, top[:, :, None].expand(-1, -1, ranking.codes.shape[2]))
    return make_ranking(codes, scores.gather(1, top), beam)
