"""Score finished sequences by the mean over several reveal orders (semantics section 4, `adaptive:rescore=r`).

A consistent model gives a sequence the same log-probability in every order. A trained masked model does not, and the
order that a search took is the one in which the sequence looked best.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.lifting import renormalised
from mindrec_bench.core.protocols import Canvas, DenoiserContext, Ranking

from .options import Normalise
from .results import reranked


def rescored(
    context: DenoiserContext, canvas: Canvas, found: Ranking, *, orders: list[tuple[int, ...]], normalise: Normalise
) -> Ranking:
    """Rank the results of a search anew by the mean over `orders` of the sum of conditional log-probabilities.

    Orders that have revealed the same slots ask the same question, so a set of slots costs one forward pass.
    """
    asked: dict[frozenset[int], Counter[int]] = {}
    for order in orders:
        for place, slot in enumerate(order):
            asked.setdefault(frozenset(order[:place]), Counter())[slot] += 1
    total = torch.zeros_like(found.scores)
    for revealed, counts in asked.items():
        states = found.codes.clone()
        for slot in set(orders[0]) - revealed:
            states[:, :, slot] = MASK
        slots = tuple(sorted(counts))
        log_probs = context.log_probs(states, slots).double()
        if normalise == "slot":
            log_probs = renormalised(log_probs)
        for place, slot in enumerate(slots):
            total += counts[slot] * _of(log_probs[:, :, place], found.codes[:, :, slot])
    return reranked(found, total / len(orders))


def reveal_orders(canvas: Canvas, count: int) -> list[tuple[int, ...]]:
    """`count` different orders of the masked slots, drawn with the canvas's seed, or all where there are no more.

    Categories stay first, from left to right.
    """
    masked = (canvas.start[0] == MASK).nonzero()[:, 0].tolist()
    categories = [slot for slot in masked if slot < canvas.n_categories]
    sids = masked[len(categories) :]
    rng = np.random.default_rng(canvas.seed)
    orders: dict[tuple[int, ...], None] = {}
    while len(orders) < min(count, math.factorial(len(sids))):
        orders[*categories, *rng.permutation(sids).tolist()] = None
    return list(orders)


def _of(log_probs: Tensor, codes: Tensor) -> Tensor:
    """The entry of each sequence's own code; padding reads the first. Shapes: (B, K, V), (B, K) -> (B, K)"""
    return log_probs.gather(2, codes.clamp(min=0)[..., None])[..., 0]
