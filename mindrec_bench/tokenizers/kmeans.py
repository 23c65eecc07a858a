"""K-means, on a CPU or a GPU, with the same result for the same seed.

Our own, since scikit-learn sums the parts of its threads in the order in which they finish, which moves items at the
border of two clusters from run to run.
"""

from __future__ import annotations

import torch
from torch import Tensor

POINTS = 256
"""So many vectors a centre are enough to place it; of more, a sample is taken."""

ROUNDS = 25

START = 32
"""So many vectors a centre are enough to draw the start from."""

_CELLS = 1 << 20
"""Distances computed at once: 4 MiB, which stays in a cache."""


def nearest(vectors: Tensor, centres: Tensor) -> Tensor:
    """The nearest centre of each vector, the lower one of two equally near. Shapes: (N, D), (K, D) -> (N,)"""
    half_norms = centres.square().sum(dim=1) / 2
    parts = vectors.split(max(1, _CELLS // len(centres)))
    return torch.cat([torch.addmm(half_norms, part, centres.T, alpha=-1).argmin(dim=1) for part in parts])


def k_means(vectors: Tensor, k: int, generator: torch.Generator, *, rounds: int = ROUNDS) -> Tensor:
    """Lloyd's algorithm from a k-means++ start (Arthur and Vassilvitskii, SODA 2007).

    A centre that loses all its vectors moves to the vector that is farthest from its own centre.

    Args:
        vectors: Shape: (N, D)
        k: how many centres, at most N.
        generator: of the CPU; draws the sample and the start.
        rounds: at most so many.

    Returns:
        The centres. Shape: (k, D)
    """
    vectors = vectors[torch.randperm(len(vectors), generator=generator)[: POINTS * k].to(vectors.device)]
    centres = _spread(vectors[: START * k], k, generator)
    before = None
    for _ in range(rounds):
        codes = nearest(vectors, centres)
        if before is not None and torch.equal(codes, before):
            break
        before = codes
        means, counts = group_means(vectors, codes, k)
        empty = (counts == 0).nonzero().squeeze(1)
        if len(empty):
            far = (vectors - centres[codes]).square().sum(dim=1).argsort(descending=True, stable=True)
            means[empty] = vectors[far[: len(empty)]]
        centres = means
    return centres


def group_means(vectors: Tensor, groups: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The mean of each group (0 for an empty one) and its size. Shapes: (N, D), (N,) -> (k, D), (k,)"""
    counts = torch.bincount(groups, minlength=k)
    if vectors.is_cuda:
        # Scattered additions have no fixed order on a GPU; a product with one-hot rows has.
        sums = vectors.new_zeros(len(vectors), k).scatter_(1, groups[:, None], 1).T @ vectors
    else:
        sums = vectors.new_zeros(k, vectors.shape[1]).index_add_(0, groups, vectors)
    return sums / counts.clamp(min=1)[:, None], counts


def _spread(vectors: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """k of the vectors, each drawn in proportion to its squared distance from those drawn before. Shape: (k, D)"""
    at = int(torch.randint(len(vectors), (1,), generator=generator))
    drawn, distance = [at], (vectors - vectors[at]).square().sum(dim=1)
    uniforms = torch.rand(k, generator=generator, dtype=torch.float64)
    for uniform in uniforms[1:]:
        reached = distance.double().cumsum(dim=0)
        # Where all distances are 0 any vector will do.
        at = min(int(torch.searchsorted(reached, float(uniform) * reached[-1], right=True)), len(vectors) - 1)
        drawn.append(at)
        distance = torch.minimum(distance, (vectors - vectors[at]).square().sum(dim=1))
    return vectors[torch.tensor(drawn, device=vectors.device)]
