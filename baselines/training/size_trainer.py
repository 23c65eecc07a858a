"""What trains and loads a backbone at one size; this module imports torch inside methods only.

A backbone chooses the trainer of a size in one place, `CodeBackbone.trainer`; its other methods do not distinguish
kinds of sizes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.code_space import Int
from mindrec_bench.core.dataset import Examples, Histories
from mindrec_bench.core.protocols import Model

from .config import TrainingConfig

if TYPE_CHECKING:
    from .batches import Collator


class SizeTrainer(ABC):
    """Trains and loads a backbone at one size; the methods mean what those of `Backbone` mean."""

    @abstractmethod
    def fit(self, task: Task, folder: Path) -> FitReport:
        """Train, and leave all that `load` needs in `folder`; continue where an interrupted call stopped."""

    @abstractmethod
    def load(self, task: Task, folder: Path) -> Model:
        """Return the fitted model, on `task.device`."""

    def file_fingerprints(self) -> dict[str, str]:
        """What identifies the content of files that the options name, by role."""
        return {}

    def show_prompts(
        self, task: Task, histories: Histories, start: Int, slots: tuple[int, ...]
    ) -> list[dict[str, Any]] | None:
        """What the model reads at test, or None where it reads no text."""
        return None


@dataclass(frozen=True, eq=False)
class FromScratch(SizeTrainer):
    """Trains a network from random weights; on a GPU its batches must have few shapes (`trainer.fit`).

    Attributes:
        config: how to train.
        new_network: makes the network, its weights drawn from the task's seed.
        collator: makes the batches for training (stream 0) and for validation (stream 1).
        inference_model: makes the model of a fitted network.
        examples: for training and for validation; None for those of the data.
    """

    config: TrainingConfig
    new_network: Callable[[Task], Any]
    collator: Callable[[Task, int], Collator]
    inference_model: Callable[[Any], Model]
    examples: Callable[[Task], tuple[Examples, Examples]] | None = None

    def fit(self, task: Task, folder: Path) -> FitReport:
        """Train with `trainer.fit`.

        Raises:
            DataError: there are no training examples.
            MrbenchError: the folder can't be written, or training diverged.
        """
        from . import trainer

        train, valid = (self.collator(task, stream) for stream in (0, 1))
        examples = self.examples(task) if self.examples else None
        network = self.new_network(task)
        return trainer.fit(
            network,
            self.config,
            task,
            folder,
            train=train,
            valid=valid,
            examples=examples,
            fixed_shapes=True,
        )

    def load(self, task: Task, folder: Path) -> Model:
        """The model with the best weights.

        Raises:
            DataError: `folder` holds no weights, or they are damaged or belong to other slots or another size.
        """
        from . import weights

        network = self.new_network(task)
        weights.load_weights(folder, task, network)
        return self.inference_model(network.to(task.device).eval())
