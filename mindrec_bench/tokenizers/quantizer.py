"""The quantizer contract: items become sums of one codeword from each of M codebooks (residual quantization)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import Int

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class QuantizationTask:
    """All that a quantizer may depend on.

    Attributes:
        vectors: the item vectors to quantize. Shape: (N, D)
        n_levels: M, the number of codebooks, which is also the number of codes per item.
        n_codes: K, the number of codes per level.
        seed: seed of all random draws.
        device: `cpu` or `cuda`.
        collaborative: vectors to align the codes with; the row of an item without one is zero.
            Shape: (N, latent) or None
        checkpoint: file that keeps the training state; None keeps none.
        max_minutes: time limit of the training.
        quiet: no progress bar.
    """

    vectors: FloatArray
    n_levels: int = 4
    n_codes: int = 256
    seed: int = 42
    device: str = "cpu"
    collaborative: FloatArray | None = None
    checkpoint: Path | None = None
    max_minutes: float | None = None
    quiet: bool = True

    @property
    def codebook_size(self) -> int:
        """The number of codewords per codebook: K, or the number of items if that is smaller."""
        return min(self.n_codes, len(self.vectors))


@dataclass(frozen=True, eq=False)
class QuantizedItems:
    """Items as codes.

    Attributes:
        latents: the vectors that sums of codewords approximate. Shape: (N, d)
        codebooks: Shape: (M, K, d)
        codes: index of each item's codeword in each codebook. Shape: (N, M)
        decode: maps sums of codewords, (N, d), to the space of the vectors that were quantized, (N, D).
        training_stats: key figures of the training, for the report.
    """

    latents: FloatArray
    codebooks: FloatArray
    codes: Int
    decode: Callable[[FloatArray], FloatArray]
    training_stats: dict[str, Any] = field(default_factory=dict)


class Quantizer(ABC):
    """A quantization method: a frozen dataclass whose fields are its options."""

    @abstractmethod
    def quantize(self, task: QuantizationTask) -> QuantizedItems:
        """Learn the codebooks and return every item's codes."""

    def collaborative_source(self) -> tuple[str, int] | None:
        """Source (see `item_vectors.parse_sources`) and width of the collaborative vectors; None if none are used."""
        return None


def reconstruct(codebooks: FloatArray, codes: Int) -> FloatArray:
    """The sums of the codewords; with fewer columns than codebooks, of the first levels. Shape: (N, m) -> (N, d)"""
    total = np.zeros((len(codes), codebooks.shape[2]), dtype=codebooks.dtype)
    for column, codebook in zip(codes.T, codebooks, strict=False):
        total += codebook[column]
    return total


def encode(latents: FloatArray, codebooks: FloatArray, prefix: Int) -> Int:
    """Complete codes level by level with the codeword nearest to the residual.

    Args:
        latents: Shape: (N, d)
        codebooks: Shape: (M, K, d)
        prefix: the codes of the first m levels. Shape: (N, m)

    Returns:
        Shape: (N, M)
    """
    import torch

    from .kmeans import nearest

    residuals = torch.from_numpy(latents - reconstruct(codebooks, prefix))
    columns = [prefix]
    for codebook in torch.from_numpy(codebooks[prefix.shape[1] :]):
        codes = nearest(residuals, codebook)
        residuals = residuals - codebook[codes]
        columns.append(codes.numpy()[:, None])
    return np.concatenate(columns, axis=1)
