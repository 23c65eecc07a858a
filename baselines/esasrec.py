"""`esasrec`: SASRec as the field trains it now (eSASRec, arXiv 2508.06450), a strong baseline that scores items.

A causal transformer over items is trained on all positions of each user's sequence at once, by a softmax over 256
uniform negatives or over the whole catalogue; its blocks have LiGR's gates (`item_transformer.blocks`).

The model sees as many items as the run does, in training and at test: give the 50 items of the literature with
`--history`.

    mrbench run --model esasrec --decoder rank-items --data beauty --history 50 --exclude-history
    mrbench run --model esasrec:loss=ce --decoder rank-items --data beauty --history 50 --exclude-history
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.protocols import Capability, Model
from mindrec_bench.plugins.options import option

from .code_lm.sizes import TransformerSize
from .training.size_trainer import FromScratch
from .training.trained_backbone import SizeDefaults, TrainedBackbone, check_option

if TYPE_CHECKING:
    from mindrec_bench.core.dataset import Examples

    from .item_transformer.next_item import NextItemNetwork
    from .training.trainer import Collator

SIZES = {
    "tiny": TransformerSize(layers=2, hidden=64, heads=2),
    "small": TransformerSize(layers=2, hidden=128, heads=2),
    "base": TransformerSize(layers=4, hidden=256, heads=4),
}


@dataclass(frozen=True)
class NextItemOptions:
    """The options of the objective and the blocks, in a separate base class so that they are listed first."""

    loss: Literal["sampled-softmax", "ce"] = option(
        "sampled-softmax", help="softmax over the target and uniform negatives, or over the whole catalogue (`ce`)."
    )
    negatives: int = option(256, help="negatives of a step, shared by all its positions; for loss=sampled-softmax.")
    gates: bool = option(True, help="LiGR's gates: the sigmoid of a linear map of a branch's input, times the branch.")
    validation_items: bool = option(
        False,
        help="train on the validation items too. Nothing can stop such a training early, so give `epochs` as a "
        "training without them found it; other models do not see these items, so say so beside the row.",
    )


@dataclass(frozen=True)
class ESasRec(TrainedBackbone, NextItemOptions):
    """A causal transformer over items, trained on all positions by sampled softmax or full cross-entropy.

    Its options are those of `NextItemOptions` and `TrainedBackbone`, in this order. An epoch has one sequence a user
    (`item_transformer.sequences`).
    """

    capability: ClassVar[Capability] = "items"
    sizes: ClassVar[tuple[str, ...]] = tuple(SIZES)
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        "tiny": SizeDefaults(lr=3e-3, epochs=30, batch=64, dropout=0.1, weight_decay=0.01),
        "small": SizeDefaults(lr=1e-3, epochs=100, batch=128, dropout=0.5, weight_decay=0.1),
        "base": SizeDefaults(lr=5e-4, epochs=100, batch=128, dropout=0.5, weight_decay=0.1),
    }

    def __post_init__(self) -> None:
        if self.loss not in ("sampled-softmax", "ce"):
            raise ValueError(f"loss is '{self.loss}'; it must be sampled-softmax or ce")
        check_option("negatives", self.negatives, self.negatives >= 1, "1 or more")
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
        from .item_transformer.next_item import NextItemModel

        return FromScratch(
            self.training_config(size), self.new_network, self.collator, NextItemModel, examples=self.examples
        )

    def new_network(self, task: Task) -> NextItemNetwork:
        """The network before training, its weights drawn from the task's seed."""
        import torch

        from .item_transformer.blocks import CausalBlocks
        from .item_transformer.next_item import NextItemNetwork

        options: Any = self.with_size_defaults(task.size)
        size = SIZES[task.size]
        torch.manual_seed(task.seed)
        blocks = CausalBlocks(size, task.data.history, dropout=options.dropout, gates=self.gates)
        return NextItemNetwork(task.data.n_items, blocks, size.hidden)

    def examples(self, task: Task) -> tuple[Examples, Examples]:
        """The sequences that are trained on, and the validation examples."""
        from .item_transformer.sequences import training_sequences

        return training_sequences(task.data, validation_items=self.validation_items), task.data.validation()

    def collator(self, task: Task, stream: int) -> Collator:
        """Makes the batches: all positions with negatives in training (stream 0), the last one in validation."""
        import torch

        from .common.noise import uniform
        from .item_transformer.sequences import next_item_batch

        def collate(examples: Any, keys: Any) -> dict[str, torch.Tensor]:
            batch = next_item_batch(examples, every_position=stream == 0)
            if stream == 0 and self.loss == "sampled-softmax":
                noise = torch.from_numpy(uniform(task.seed, stream, keys[:1], self.negatives)[0])
                batch["negatives"] = (noise * task.data.n_items).long()
            return batch

        return collate
