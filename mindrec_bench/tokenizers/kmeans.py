"""K-means on a CPU or a GPU, with one result for each seed.

scikit-learn's is not used, since it adds up the partial sums of its threads in the order in which they finish, which
moves items on the border of two clusters from run to run.
"""

from __future__ import annotations

import torch
from torch import Tensor

MAX_ROUNDS = 25

SAMPLE_PER_CENTRE = 256
"""This many vectors per centre suffice to place the centres; of more vectors, a sample is drawn."""

START_PER_CENTRE = 32
"""This many vectors per centre suffice for the k-means++ start."""

MAX_DISTANCES = 1 << 20
"""Number of distances computed at once: 4 MiB, which stays in a cache."""


def nearest(vectors: Tensor, centres: Tensor) -> Tensor:
    """The index of each vector's nearest centre, the lower one of two equally near. Shapes: (N, D), (K, D) -> (N,)"""
    half_norms = centres.square().sum(dim=1) / 2
    chunks = vectors.split(max(1, MAX_DISTANCES // len(centres)))
    return torch.cat([torch.addmm(half_norms, chunk, centres.T, alpha=-1).argmin(dim=1) for chunk in chunks])


def k_means(vectors: Tensor, k: int, generator: torch.Generator, *, max_rounds: int = MAX_ROUNDS) -> Tensor:
    """Lloyd's algorithm from a k-means++ start (Arthur and Vassilvitskii, SODA 2007).

    A centre that loses all its vectors moves to the vector that is farthest from its own centre.

    Args:
        vectors: Shape: (N, D)
        k: number of centres, at most N.
        generator: draws the sample and the start; on the CPU.
        max_rounds: maximum number of rounds.

    Returns:
        The centres. Shape: (k, D)
    """
    vectors = vectors[torch.randperm(len(vectors), generator=generator)[: SAMPLE_PER_CENTRE * k].to(vectors.device)]
    centres = _k_means_plus_plus(vectors[: START_PER_CENTRE * k], k, generator)
    previous = None
    for _ in range(max_rounds):
        codes = nearest(vectors, centres)
        if previous is not None and torch.equal(codes, previous):
            break
        previous = codes
        means, counts = group_means(vectors, codes, k)
        empty = (counts == 0).nonzero().squeeze(1)
        if len(empty):
            farthest = (vectors - centres[codes]).square().sum(dim=1).argsort(descending=True, stable=True)
            means[empty] = vectors[farthest[: len(empty)]]
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


def _k_means_plus_plus(vectors: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """Draw k vectors, each in proportion to its squared distance from those drawn before. Shape: (k, D)"""
    index = int(torch.randint(len(vectors), (1,), generator=generator))
    drawn, distances = [index], (vectors - vectors[index]).square().sum(dim=1)
    uniforms = torch.rand(k, generator=generator, dtype=torch.float64)
    for uniform in uniforms[1:]:
        cumulative = distances.double().cumsum(dim=0)
        # Where all distances are 0 any vector will do.
        index = min(int(torch.searchsorted(cumulative, float(uniform) * cumulative[-1], right=True)), len(vectors) - 1)
        drawn.append(index)
        distances = torch.minimum(distances, (vectors - vectors[index]).square().sum(dim=1))
    return vectors[torch.tensor(drawn, device=vectors.device)]
