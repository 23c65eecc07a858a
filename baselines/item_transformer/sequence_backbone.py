"""The base class of backbones that are trained on whole sequences; this module imports torch inside methods only."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.protocols import Model
from mindrec_bench.plugins.options import option

from ..code_lm.sizes import TransformerSize
from ..training.size_trainer import FromScratch
from ..training.trained_backbone import SizeDefaults, TrainedBackbone, check_option

if TYPE_CHECKING:
    from torch import Tensor

    from mindrec_bench.core.code_space import Int
    from mindrec_bench.core.dataset import Examples

    from ..training.trainer import Collator
    from .blocks import CausalBlocks

SIZES = {
    "tiny": TransformerSize(layers=2, hidden=64, heads=2),
    "small": TransformerSize(layers=2, hidden=128, heads=2),
    "base": TransformerSize(layers=4, hidden=256, heads=4),
}


SWAPS_STREAM = 2
"""Of the random numbers of `swaps`; 0 and 1 are those of other training and validation noise."""


@dataclass(frozen=True)
class SequenceOptions:
    """The options of blocks and data, in a separate base class so that they are listed before those of training."""

    gates: bool = option(True, help="LiGR's gates: the sigmoid of a linear map of a branch's input, times the branch.")
    validation_items: bool = option(
        False,
        help="train on the validation items too. Nothing can stop such a training early, so give `epochs` as a "
        "training without them found it; other models do not see these items, so say so beside the row.",
    )
    swaps: float = option(
        0.0, help="probability that two neighbours of a training sequence change places, drawn anew in each epoch."
    )


@dataclass(frozen=True)
class SequenceBackbone(TrainedBackbone, SequenceOptions):
    """A causal transformer with one position for each item, trained on all positions of a sequence at once.

    An epoch has one sequence a user (`sequences.training_sequences`); a sequence is as long as the run's histories.
    """

    sizes: ClassVar[tuple[str, ...]] = tuple(SIZES)
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        "tiny": SizeDefaults(lr=3e-3, epochs=30, batch=64, dropout=0.1, weight_decay=0.01),
        "small": SizeDefaults(lr=1e-3, epochs=100, batch=128, dropout=0.5, weight_decay=0.1),
        "base": SizeDefaults(lr=5e-4, epochs=100, batch=128, dropout=0.5, weight_decay=0.1),
    }

    def __post_init__(self) -> None:
        check_option("swaps", self.swaps, 0 <= self.swaps <= 1, "from 0 to 1")
        super().__post_init__()

    def auto_size(self, *, simulation: bool, device: str) -> tuple[str, str]:
        """`base` on a GPU, where it takes minutes; else `small`, on a simulation `tiny`."""
        if simulation:
            return "tiny", "the smallest, for a simulation"
        if device == "cuda":
            return "base", "the largest, on a GPU"
        return "small", "the size for a CPU"

    def fit(self, task: Task, folder: Path) -> FitReport:
        """See `Backbone.fit`."""
        return self._trainer(task.size).fit(task, folder)

    def load(self, task: Task, folder: Path) -> Model:
        """See `Backbone.load`."""
        return self._trainer(task.size).load(task, folder)

    def _trainer(self, size: str) -> FromScratch:
        return FromScratch(
            self.training_config(size),
            self.new_network,
            self.collator,
            self.inference_model,
            examples=self.examples,
        )

    def new_network(self, task: Task) -> Any:
        """The network before training, its weights drawn from the task's seed."""
        import torch

        from .blocks import CausalBlocks

        options: Any = self.with_size_defaults(task.size)
        torch.manual_seed(task.seed)
        blocks = CausalBlocks(SIZES[task.size], task.data.history, dropout=options.dropout, gates=self.gates)
        return self.build_network(task, blocks)

    @abstractmethod
    def build_network(self, task: Task, blocks: CausalBlocks) -> Any:
        """The network around its blocks; its weights are random."""

    @abstractmethod
    def inference_model(self, network: Any) -> Model:
        """The model of a fitted network."""

    def examples(self, task: Task) -> tuple[Examples, Examples]:
        """The sequences that are trained on, and the validation examples."""
        from .sequences import training_sequences

        return training_sequences(task.data, validation_items=self.validation_items), task.data.validation()

    def collator(self, task: Task, stream: int) -> Collator:
        """Makes the batches: all positions in training (stream 0), the last one in validation (stream 1)."""
        from ..common.noise import uniform
        from .sequences import next_item_batch, pad_to_few_shapes, swap_neighbours

        def collate(sequences: Examples, keys: Int) -> dict[str, Tensor]:
            if self.swaps > 0 and stream == 0:
                pairs = (task.data.history + 1) // 2
                draws = uniform(task.seed, SWAPS_STREAM, keys, 1 + pairs)
                sequences = swap_neighbours(sequences, draws, self.swaps)
            batch = next_item_batch(sequences, every_position=stream == 0)
            return pad_to_few_shapes(batch, task.data.history) if task.device == "cuda" else batch

        return collate
