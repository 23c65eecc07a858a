"""The walk over the ranks of Algorithm 1's penalty: which candidates are kept, and how similar each is to those before.

The penalty of a rank depends on which earlier ranks are kept, so the ranks of a user are visited one by one, for all
users together: by `walk_by_rank` in a few tensor operations per rank, or on a GPU by one Triton kernel for the whole
walk. Both work on integers and return the same.
"""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import Tensor

from mindrec_bench.core.code_space import MASK

logger = logging.getLogger(__name__)


def walk(sids: Tensor, sort_keys: Tensor, order: Tensor, beam: int) -> tuple[Tensor, Tensor]:
    """The ranks that are kept.

    The first `beam` ranks are kept at first; a later one replaces the worst of those kept if its key is higher. Of
    equal keys the candidate at the higher position is the worse.

    Args:
        sids: the codes of the candidates, best first by unpenalised score, `MASK` where nothing is revealed.
            Shape: (B, M, S), int64
        sort_keys: the penalised score of each rank at every possible number of shared codes, as an integer below
            2**62 / M. Shape: (B, M, S + 1), int64
        order: the candidate at each rank. Shape: (B, M), int64
        beam: b, at most M.

    Returns:
        The ranks, in no order, and how many codes each shares with the most similar of those kept before it.
        Shapes: (B, b), (B, b), int64
    """
    if sids.is_cuda and _has_triton():
        from .penalty_kernel import walk_in_kernel

        return walk_in_kernel(sids, sort_keys, order, beam)
    return walk_by_rank(sids, sort_keys, order, beam)


@cache
def _has_triton() -> bool:
    """Whether the kernel can be compiled: Triton is installed and finds what it needs."""
    try:
        from .penalty_kernel import walk_in_kernel

        codes = torch.zeros(1, 1, 1, dtype=torch.int64, device="cuda")
        walk_in_kernel(codes, torch.zeros(1, 1, 2, dtype=torch.int64, device="cuda"), codes[0], 1)
    except Exception as error:  # of Triton, its compiler and the linker it calls: there is no common class
        logger.warning(f"Triton can't be used ({str(error).partition(chr(10))[0]}); pruning is slower without it")
        return False
    return True


def walk_by_rank(sids: Tensor, sort_keys: Tensor, order: Tensor, beam: int) -> tuple[Tensor, Tensor]:
    """`walk` in tensor operations, on any device."""
    n_candidates = order.shape[1]
    n_shared = _n_shared_codes(sids)
    kept = torch.arange(beam, device=order.device).repeat(len(order), 1)
    kept_shared = n_shared[:, :beam, :beam].tril(-1).amax(dim=2).long()
    kept_key = sort_keys[:, :beam].gather(2, kept_shared[..., None])[..., 0]
    for rank in range(beam, n_candidates):
        shared = n_shared[:, rank].gather(1, kept).amax(dim=1, keepdim=True).long()
        key = sort_keys[:, rank].gather(1, shared)
        worst = (kept_key * n_candidates - order.gather(1, kept)).argmin(dim=1, keepdim=True)
        replaces = key > kept_key.gather(1, worst)
        for kept_values, value in ((kept_key, key), (kept_shared, shared), (kept, torch.full_like(worst, rank))):
            kept_values.scatter_(1, worst, torch.where(replaces, value, kept_values.gather(1, worst)))
    return kept, kept_shared


def _n_shared_codes(sids: Tensor) -> Tensor:
    """In how many slots two candidates have revealed the same code. Shape: (B, M, S) -> (B, M, M), uint8"""
    first, *others = sids.unbind(2)
    n_shared = _both_revealed(first)
    for column in others:
        n_shared += _both_revealed(column)
    return n_shared


def _both_revealed(column: Tensor) -> Tensor:
    """1 where two candidates have revealed the same code. Shape: (B, M) -> (B, M, M), uint8"""
    return pairs_equal(column).logical_and_((column != MASK)[:, :, None]).view(torch.uint8)


def pairs_equal(column: Tensor) -> Tensor:
    """Shape: (B, M) -> (B, M, M), bool"""
    return column[:, :, None] == column[:, None, :]
