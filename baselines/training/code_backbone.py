"""The base class of backbones whose network reads and predicts codes; this module imports torch inside methods only."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.code_space import CodeSpace, Int
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.protocols import Model

from .size_trainer import FromScratch, SizeTrainer
from .trained_backbone import TrainedBackbone

if TYPE_CHECKING:
    from .batches import Collator


@dataclass(frozen=True)
class CodeBackbone(TrainedBackbone):
    """A backbone whose network is trained on codes; a subclass builds the network and may change the batches.

    All methods of the backbone contract go to the trainer of the size.
    """

    def trainer(self, size: str) -> SizeTrainer:
        """What fits and loads this size: here, at every size, a training from scratch."""
        return FromScratch(self.training_config(size), self.new_network, self.collator, self.inference_model)

    def fit(self, task: Task, folder: Path) -> FitReport:
        """See `Backbone.fit`."""
        return self.trainer(task.size).fit(task, folder)

    def load(self, task: Task, folder: Path) -> Model:
        """See `Backbone.load`."""
        return self.trainer(task.size).load(task, folder)

    def file_fingerprints(self, size: str) -> dict[str, str]:
        """See `Backbone.file_fingerprints`."""
        return self.trainer(size).file_fingerprints()

    def show_prompts(
        self, task: Task, histories: Histories, start: Int, slots: tuple[int, ...]
    ) -> list[dict[str, Any]] | None:
        """See `Backbone.show_prompts`."""
        return self.trainer(task.size).show_prompts(task, histories, start, slots)

    def new_network(self, task: Task) -> Any:
        """The network before training, its weights drawn from the task's seed."""
        import torch

        options: Any = self.with_size_defaults(task.size)
        torch.manual_seed(task.seed)
        return self.build_network(task.space, task.size, options.dropout)

    @abstractmethod
    def build_network(self, space: CodeSpace, size: str, dropout: float) -> Any:
        """A network for these slots, at a size that is trained from scratch; its weights are random."""

    def inference_model(self, network: Any) -> Model:
        """The model of a fitted network: here the network itself."""
        model: Model = network
        return model

    def collator(self, task: Task, stream: int) -> Collator:
        """Makes the batches for training (stream 0) or validation (stream 1): here histories and the target's codes."""
        import torch

        def collate(examples: Any, keys: Any) -> dict[str, torch.Tensor]:
            arrays = {"items": examples.histories.items, "labels": task.space.item_codes[examples.targets]}
            return {name: torch.from_numpy(array) for name, array in arrays.items()}

        return collate
