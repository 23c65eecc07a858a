"""`letter`: RQ-VAE whose codes also follow the interactions, and are spread (LETTER, Wang et al., CIKM 2024).

    mrbench data tokenize ./mydata --method letter
    mrbench data tokenize ./mydata --preset letter

Loss = RQ-VAE's + alpha x alignment + beta' x diversity (LETTER, section 3.2):

* alignment: the quantized vector of an item must pick the item's collaborative vector out of those of the batch
  (InfoNCE over inner products). It uses the straight-through sum, so its gradient reaches the encoder.
* diversity: the codebook of each level is clustered into groups of equal size; an item's codeword must pick a random
  other codeword of its group out of all others. Codewords of one group attract each other and groups repel each other,
  so that no region of the codebook takes most of the items.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..plugins.options import option
from . import rqvae
from .kmeans import group_means, k_means
from .quantizer import QuantizationTask, QuantizedItems
from .sinkhorn import assign
from .training_loop import CHECKPOINT_EPOCHS

CLUSTER_ROUNDS = 5


@dataclass(frozen=True)
class Letter(rqvae.RqVae):
    """LETTER, with the options of `rqvae` and these."""

    alpha: float = option(0.02, help="weight of the alignment with the collaborative vectors.")
    diversity: float = option(
        1e-4, help="weight of the diversity loss (the paper's beta; `beta` here is RQ-VAE's commitment)."
    )
    clusters: int = option(10, help="number of groups of equal size that each codebook is clustered into.")
    collaborative: str = option(
        "cooc", help="source of the collaborative vectors: `cooc`, or `file:PATH.npy` with `latent` columns."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha", "diversity"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 0 or more")
        if self.clusters < 1:
            raise ValueError(f"clusters is {self.clusters}; it must be 1 or more")

    def collaborative_source(self) -> tuple[str, int] | None:
        """See `Quantizer.collaborative_source`; the vectors must be as wide as the latents."""
        return self.collaborative, self.latent

    def quantize(self, task: QuantizationTask) -> QuantizedItems:
        """See `Quantizer.quantize`; the task must have collaborative vectors of width `latent`."""
        return rqvae.fit_rqvae(self, task, _LetterLoss(self, task))


class _LetterLoss:
    """Alignment and diversity."""

    def __init__(self, options: Letter, task: QuantizationTask) -> None:
        assert task.collaborative is not None
        assert task.collaborative.shape[1] == options.latent
        self.options = options
        self.collaborative = torch.from_numpy(task.collaborative).to(task.device)
        self.has_collaborative = self.collaborative.any(dim=1)
        self.groups = torch.zeros(task.n_levels, task.codebook_size, dtype=torch.long, device=task.device)

    def begin_epoch(self, codebooks: Tensor, epoch: int, seed: int) -> None:
        """Cluster the codebooks anew, at the epochs from which an interrupted training can continue."""
        if epoch % CHECKPOINT_EPOCHS == 0 and self.options.diversity > 0:
            groups = [equal_clusters(codebook.cpu(), self.options.clusters, seed + epoch) for codebook in codebooks]
            self.groups = torch.stack(groups).to(codebooks.device)

    def loss(self, output: rqvae.RqVaeOutput, codebooks: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The sum of the two weighted losses of a batch."""
        total = output.quantized.new_zeros(())
        aligned = self.has_collaborative[rows]
        if self.options.alpha > 0 and int(aligned.sum()) > 1:
            alignment = alignment_loss(output.quantized[aligned], self.collaborative[rows[aligned]])
            total = total + self.options.alpha * alignment
        if self.options.diversity > 0:
            levels = zip(output.codes.T, codebooks, self.groups, strict=True)
            losses = [diversity_loss(codes, codebook, groups, generator) for codes, codebook, groups in levels]
            total = total + self.options.diversity * torch.stack(losses).mean()
        return total


def alignment_loss(quantized: Tensor, collaborative: Tensor) -> Tensor:
    """-log softmax over the batch of <quantized i, collaborative j> at j = i, averaged. Shapes: (B, d), (B, d)"""
    return cross_entropy(quantized @ collaborative.T, torch.arange(len(quantized), device=quantized.device))


def diversity_loss(codes: Tensor, codebook: Tensor, groups: Tensor, generator: torch.Generator) -> Tensor:
    """-log softmax over all other codes of <e_i, e_j> at a random other code j of i's group, averaged.

    Args:
        codes: codes of a batch at one level; codes that are alone in their group do not count. Shape: (B,)
        codebook: the codebook of the level. Shape: (K, d)
        groups: group of each code. Shape: (K,)
        generator: draws j; on the CPU.
    """
    same_group = (groups[:, None] == groups).fill_diagonal_(False)
    codes = codes[same_group.any(dim=1)[codes]]
    if not len(codes):
        return codebook.new_zeros(())
    draws = torch.rand(len(codes), len(codebook), generator=generator).to(codebook.device)
    others = torch.where(same_group[codes], draws, -1.0).argmax(dim=1)
    scores = (codebook[codes] @ codebook.T).scatter(1, codes[:, None], -torch.inf)
    return cross_entropy(scores, others)


def equal_clusters(codebook: Tensor, n_clusters: int, seed: int) -> Tensor:
    """K-means whose clusters have at most ceil(K / n_clusters) vectors each. Shape: (K, d) -> (K,)"""
    n_clusters = min(n_clusters, len(codebook))
    generator = torch.Generator().manual_seed(seed)
    centres = k_means(codebook, n_clusters, generator)
    one_group = np.zeros(len(codebook), dtype=np.int64)
    for _ in range(CLUSTER_ROUNDS):
        costs = torch.cdist(codebook, centres).square().double().numpy()
        groups = torch.from_numpy(assign(costs, one_group, -(-len(codebook) // n_clusters)))
        means, counts = group_means(codebook, groups, n_clusters)
        centres = torch.where(counts[:, None] > 0, means, centres)
    return groups
