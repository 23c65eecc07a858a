"""`letter`: RQ-VAE whose codes also follow who likes what, and spread (LETTER, Wang et al., CIKM 2024).

    mrbench data tokenize ./mydata --method letter
    mrbench data tokenize ./mydata --preset letter

Loss = RQ-VAE's + alpha x alignment + beta' x diversity (LETTER, section 3.2):

* alignment: the quantised vector of an item picks the item's collaborative vector out of the batch's (InfoNCE over
  inner products). It takes the straight-through sum, so it moves the encoder.
* diversity: a level's codebook is clustered into groups of equal size; the codebook vector of an item picks a random
  other one of its group out of all others. Codes of a group draw together, groups draw apart, so that no region of the
  codebook takes most items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from . import rqvae
from .kmeans import group_means, k_means
from .quantised import Job, Quantised
from .sinkhorn import assign
from .training import SAVE_EPOCHS

CLUSTER_ROUNDS = 5


@dataclass(frozen=True)
class Letter(rqvae.RqVae):
    """LETTER; the fields of `rqvae`, and these.

    Attributes:
        alpha: weight of the alignment with collaborative vectors.
        diversity: weight of the diversity loss (the paper's beta; `beta` here is RQ-VAE's commitment).
        clusters: groups of equal size that a codebook is clustered into.
        collaborative: where the collaborative vectors come from: `cooc`, or `file:PATH.npy` with `latent` columns.
    """

    alpha: float = 0.02
    diversity: float = 1e-4
    clusters: int = 10
    collaborative: str = "cooc"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha", "diversity"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if self.clusters < 1:
            raise ValueError(f"clusters is {self.clusters}; it must be 1 or more")

    def quantise(self, job: Job) -> Quantised:
        """See `Method`; `job.collaborative` must be there, as wide as `latent`."""
        return rqvae.fit(self, job, _Term(self, job))


class _Term:
    """Alignment and diversity."""

    def __init__(self, options: Letter, job: Job) -> None:
        assert job.collaborative is not None
        assert job.collaborative.shape[1] == options.latent
        self.options = options
        self.collaborative = torch.from_numpy(job.collaborative).to(job.device)
        self.known = self.collaborative.any(dim=1)
        self.groups = torch.zeros(job.levels, job.size, dtype=torch.long, device=job.device)

    def begin_epoch(self, codebooks: Tensor, epoch: int, seed: int) -> None:
        """Cluster the codebooks anew, at the epochs at which a continued training starts."""
        if epoch % SAVE_EPOCHS == 0 and self.options.diversity > 0:
            found = [equal_clusters(book.cpu(), self.options.clusters, seed + epoch) for book in codebooks]
            self.groups = torch.stack(found).to(codebooks.device)

    def loss(self, passed: rqvae.Pass, codebooks: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The two weighted terms of a batch."""
        total = passed.quantised.new_zeros(())
        known = self.known[rows]
        if self.options.alpha > 0 and int(known.sum()) > 1:
            aligned = alignment_loss(passed.quantised[known], self.collaborative[rows[known]])
            total = total + self.options.alpha * aligned
        if self.options.diversity > 0:
            levels = zip(passed.codes.T, codebooks, self.groups, strict=True)
            found = [diversity_loss(codes, book, groups, generator) for codes, book, groups in levels]
            total = total + self.options.diversity * torch.stack(found).mean()
        return total


def alignment_loss(quantised: Tensor, collaborative: Tensor) -> Tensor:
    """-log softmax over the batch of <quantised i, collaborative j> at j = i, averaged. Shapes: (B, d), (B, d)"""
    return cross_entropy(quantised @ collaborative.T, torch.arange(len(quantised), device=quantised.device))


def diversity_loss(codes: Tensor, book: Tensor, groups: Tensor, generator: torch.Generator) -> Tensor:
    """-log softmax over all other codes of <e_i, e_j> at a random other code j of i's group, averaged.

    Args:
        codes: of a batch at one level; those alone in their group do not count. Shape: (B,)
        book: its codebook. Shape: (K, d)
        groups: group of each code. Shape: (K,)
        generator: of the CPU; draws j.
    """
    alike = (groups[:, None] == groups).fill_diagonal_(False)
    codes = codes[alike.any(dim=1)[codes]]
    if not len(codes):
        return book.new_zeros(())
    draws = torch.rand(len(codes), len(book), generator=generator).to(book.device)
    others = torch.where(alike[codes], draws, -1.0).argmax(dim=1)
    scores = (book[codes] @ book.T).scatter(1, codes[:, None], -torch.inf)
    return cross_entropy(scores, others)


def equal_clusters(book: Tensor, clusters: int, seed: int) -> Tensor:
    """K-means whose clusters take at most ceil(K / clusters) vectors each. Shape: (K, d) -> (K,)"""
    clusters = min(clusters, len(book))
    generator = torch.Generator().manual_seed(seed)
    centres = k_means(book, clusters, generator)
    one_group = np.zeros(len(book), dtype=np.int64)
    for _ in range(CLUSTER_ROUNDS):
        costs = torch.cdist(book, centres).square().double().numpy()
        groups = torch.from_numpy(assign(costs, one_group, -(-len(book) // clusters)))
        means, counts = group_means(book, groups, clusters)
        centres = torch.where(counts[:, None] > 0, means, centres)
    return groups
