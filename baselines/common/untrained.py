"""Backbones that compute a probability for every item without training, and the mixture with popularity they share."""

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
from mindrec_bench.core.devices import search_device
from mindrec_bench.core.protocols import Capability

if TYPE_CHECKING:
    from torch import Tensor

    from mindrec_bench.core.dataset import Dataset

Float = NDArray[np.float64]


class UntrainedBackbone(Backbone):
    """Base class of backbones that score all items and have nothing to train."""

    capability: ClassVar[Capability] = "items"

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Write nothing: all that these models need is in the task."""
        return FitReport(epochs=0.0, steps=0, parameters=0, seconds=0.0)


@dataclass(frozen=True, eq=False)
class UntrainedModel:
    """A model that is one function of the histories.

    Attributes:
        log_probs: from the items of the histories, -1 in the padding, to log p(item | history).
            Shape: (B, H) -> (B, N), float64
        device: of the run; contexts put the result on its `search_device`.
    """

    log_probs: Callable[[Int], Float]
    device: str

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> UntrainedContext:
        """The context of a batch of users; it does not depend on the slots."""
        return UntrainedContext(self, histories)


@dataclass(frozen=True, eq=False)
class UntrainedContext:
    """The items context of one batch of users."""

    model: UntrainedModel
    histories: Histories

    def log_probs(self) -> Tensor:
        """log p(item | history), normalised over the catalogue, -inf where p = 0. Shape: (B, N), float64"""
        import torch

        return torch.from_numpy(self.model.log_probs(self.histories.items)).to(search_device(self.model.device))


def popularity(data: Dataset) -> Float:
    """Training counts of the items divided by their sum. Shape: (N,)"""
    counts = data.train_counts()
    return counts / counts.sum()


def mix_with_popularity(scores: Float, popularity: Float, mix: float) -> Float:
    """(1 - mix) x normalised scores + mix x popularity; popularity alone where all scores are 0.

    Args:
        scores: not negative. Shape: (B, N)
        popularity: probabilities. Shape: (N,)
        mix: the weight of popularity, 0 to 1.

    Returns:
        Probabilities. Shape: (B, N)
    """
    sums = scores.sum(axis=1, keepdims=True)
    normalised = np.divide(scores, sums, out=np.zeros_like(scores), where=sums > 0)
    return np.where(sums > 0, (1 - mix) * normalised + mix * popularity, popularity)


def log_probabilities(probabilities: Float) -> Float:
    """Natural logarithm, -inf at 0 without a warning. Same shape."""
    with np.errstate(divide="ignore"):
        return np.log(probabilities)
