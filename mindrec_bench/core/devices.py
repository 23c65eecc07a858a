"""Where a network runs and where the search over it runs: on one device, unless that device has no float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .dataset import Histories
from .protocols import Model

if TYPE_CHECKING:
    from torch import Tensor

WITHOUT_FLOAT64 = ("mps",)
"""Devices on which there can be no scores, which are float64."""


def search_device(device: str) -> str:
    """Where the search over a network on `device` runs: canvas, constraint, scores, what items models answer."""
    return "cpu" if device in WITHOUT_FLOAT64 else device


@dataclass(frozen=True, eq=False)
class CrossDeviceModel:
    """A masked or causal network on another device than the search: each call copies there and back once.

    Attributes:
        model: the network's.
        device: where it is.
        search_device: where the search is.
    """

    model: Model
    device: str
    search_device: str

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> Any:
        """See `Model.begin`."""
        return _CrossDeviceContext(self.model.begin(histories, slots), self.device, self.search_device)


@dataclass(frozen=True, eq=False)
class _CrossDeviceContext:
    context: Any
    device: str
    search_device: str

    def log_probs(self, revealed: Tensor, slots: Sequence[int]) -> Tensor:
        log_probs: Tensor = self.context.log_probs(revealed.to(self.device), slots)
        return log_probs.to(self.search_device)

    def next_log_probs(self, prefix: Tensor) -> Tensor:
        log_probs: Tensor = self.context.next_log_probs(prefix.to(self.device))
        return log_probs.to(self.search_device)
