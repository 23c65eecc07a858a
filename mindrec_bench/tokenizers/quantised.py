"""What every quantiser gets, and what it gives back: items as sums of one vector from each of M codebooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.code_space import Int

Float = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Job:
    """One tokenization.

    Attributes:
        vectors: what is quantised. Shape: (N, D)
        levels: M, codes an item.
        codes: K, codes a level.
        seed: of everything drawn.
        device: `cpu` or `cuda`.
        collaborative: vectors to align with, zero where nothing is known of an item. Shape: (N, latent) or None
        checkpoint: where a training keeps its state; None keeps none.
        max_minutes: time limit of a training.
        quiet: no progress bar.
        notify: gets notices.
    """

    vectors: Float
    levels: int = 4
    codes: int = 256
    seed: int = 42
    device: str = "cpu"
    collaborative: Float | None = None
    checkpoint: Path | None = None
    max_minutes: float | None = None
    quiet: bool = True
    notify: Callable[[str], None] = field(default=lambda line: None)

    @property
    def size(self) -> int:
        """Codes of a codebook: K, or as many as there are items."""
        return min(self.codes, len(self.vectors))


@dataclass(frozen=True, eq=False)
class Quantised:
    """Items as codes.

    Attributes:
        latents: what the codebooks approximate. Shape: (N, d)
        codebooks: Shape: (M, K, d)
        codes: index into each codebook. Shape: (N, M)
        decode: from sums of codebook vectors, (N, d), to the vectors that were quantised, (N, D).
        facts: about the training, for the report.
    """

    latents: Float
    codebooks: Float
    codes: Int
    decode: Callable[[Float], Float]
    facts: dict[str, Any] = field(default_factory=dict)


class Method(Protocol):
    """A quantiser: a frozen dataclass whose fields are its options."""

    def quantise(self, job: Job) -> Quantised:
        """Learn codebooks, and give every item its codes."""
        ...


def rebuilt(codebooks: Float, codes: Int) -> Float:
    """The sums that codes stand for; fewer columns than codebooks sum the first ones. Shape: (N, m) -> (N, d)"""
    total = np.zeros((len(codes), codebooks.shape[2]), dtype=codebooks.dtype)
    for column, book in zip(codes.T, codebooks, strict=False):
        total += book[column]
    return total


def encode(latents: Float, codebooks: Float, given: Int) -> Int:
    """Complete codes level by level, each the nearest to what the levels before it left over.

    Args:
        latents: Shape: (N, d)
        codebooks: Shape: (M, K, d)
        given: the codes of the first m levels. Shape: (N, m)

    Returns:
        Shape: (N, M)
    """
    import torch

    from .kmeans import nearest

    left = torch.from_numpy(latents - rebuilt(codebooks, given))
    columns = [given]
    for book in torch.from_numpy(codebooks[given.shape[1] :]):
        codes = nearest(left, book)
        left = left - book[codes]
        columns.append(codes.numpy()[:, None])
    return np.concatenate(columns, axis=1)
