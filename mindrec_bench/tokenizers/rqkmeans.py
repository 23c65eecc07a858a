"""`rqkmeans`: residual k-means; each level's centres code what the levels before it left over.

No network and no training time to speak of: a million vectors of 32 dimensions take half a minute of one core.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from . import kmeans
from .quantised import Job, Quantised


@dataclass(frozen=True)
class RqKMeans:
    """Residual k-means.

    Attributes:
        rounds: of Lloyd's algorithm, at most, a level.
    """

    rounds: int = kmeans.ROUNDS

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise ValueError(f"rounds is {self.rounds}; it must be 1 or more")

    def quantise(self, job: Job) -> Quantised:
        """See `Method`; the latent vectors are the vectors themselves."""
        left = torch.from_numpy(job.vectors).to(job.device)
        books, columns = residual_k_means(left, job.levels, job.size, job.seed, rounds=self.rounds)
        return Quantised(job.vectors, books.cpu().numpy(), columns.cpu().numpy(), decode=lambda sums: sums)


def residual_k_means(
    vectors: torch.Tensor, levels: int, codes: int, seed: int, *, rounds: int = kmeans.ROUNDS
) -> tuple[torch.Tensor, torch.Tensor]:
    """Codebooks and codes of vectors, level by level. Shape: (N, D) -> (M, K, D) and (N, M)"""
    generator = torch.Generator().manual_seed(seed)
    left, books, columns = vectors, [], []
    for _ in range(levels):
        centres = kmeans.k_means(left, codes, generator, rounds=rounds)
        column = kmeans.nearest(left, centres)
        left = left - centres[column]
        books.append(centres)
        columns.append(column)
    return torch.stack(books), torch.stack(columns, dim=1)
