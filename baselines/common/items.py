"""What item-scoring baselines share: no training, one answer a batch, the mix with popularity (semantics: lifting)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from mindrec_bench.core.backbone import Backbone, FitReport, Task
from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.protocols import Capability

if TYPE_CHECKING:
    from torch import Tensor

    from mindrec_bench.core.dataset import Dataset

Float = NDArray[np.float64]


class Untrained(Backbone):
    """Base of backbones that rank all items and have nothing to train."""

    capability: ClassVar[Capability] = "items"

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Leave nothing and report nothing: all these models need is in the task."""
        return FitReport(epochs=0.0, steps=0, parameters=0, seconds=0.0)


@dataclass(frozen=True, eq=False)
class ItemModel:
    """A model that is one function of the histories.

    Attributes:
        log_probs: history items, -1 where there is none, to log p(item | history). Shape: (B, H) -> (B, N), float64
        device: where the answers go.
    """

    log_probs: Callable[[Int], Float]
    device: str

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> ItemContext:
        """The answers for a batch of users, the same for any slots."""
        return ItemContext(self, histories)


@dataclass(frozen=True, eq=False)
class ItemContext:
    """One batch of users before an `ItemModel`."""

    model: ItemModel
    histories: Histories

    def log_probs(self) -> Tensor:
        """log p(item | history), normalised over the catalogue, -inf where p = 0. Shape: (B, N), float64"""
        import torch

        return torch.from_numpy(self.model.log_probs(self.histories.items)).to(self.model.device)


def popularity(data: Dataset) -> Float:
    """Training counts over their sum. Shape: (N,)"""
    counts = data.train_counts()
    return counts / counts.sum()


def mixed(scores: Float, popular: Float, mix: float) -> Float:
    """(1 - mix) x scores over their sum + mix x popularity; popularity alone where all scores are 0.

    Args:
        scores: not negative. Shape: (B, N)
        popular: from `popularity`. Shape: (N,)
        mix: the share of popularity, 0 to 1.

    Returns:
        Probabilities. Shape: (B, N)
    """
    sums = scores.sum(axis=1, keepdims=True)
    shares = np.divide(scores, sums, out=np.zeros_like(scores), where=sums > 0)
    return np.where(sums > 0, (1 - mix) * shares + mix * popular, popular)


def log(probabilities: Float) -> Float:
    """Natural logarithm, -inf at 0 without a warning. Same shape."""
    with np.errstate(divide="ignore"):
        return np.log(probabilities)
