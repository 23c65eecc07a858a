"""`esasrec`: SASRec as the field trains it now (eSASRec, arXiv 2508.06450), a strong baseline that scores items.

A causal transformer over items is trained on all positions of each user's sequence at once, by a softmax over the whole
catalogue or over 256 uniform negatives; its blocks have LiGR's gates (`item_transformer.blocks`).

The model sees as many items as the run does, in training and at test: give the 50 items of the literature with
`--history`.

    mrbench run --model esasrec --decoder rank-items --data beauty --history 50 --exclude-history
    mrbench run --model esasrec:loss=sampled-softmax --decoder rank-items --data beauty --history 50 --exclude-history
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.protocols import Capability, Model
from mindrec_bench.plugins.options import option

from .item_transformer.sequence_backbone import SequenceBackbone
from .training.trained_backbone import check_option

if TYPE_CHECKING:
    from torch import Tensor

    from .item_transformer.blocks import CausalBlocks
    from .item_transformer.next_item import NextItemNetwork
    from .training.trainer import Collator


@dataclass(frozen=True)
class NextItemOptions:
    """The options of the objective, in a separate base class so that they are listed first."""

    loss: Literal["ce", "sampled-softmax"] = option(
        "ce", help="softmax over the whole catalogue (`ce`), or over the target and uniform negatives."
    )
    negatives: int = option(256, help="negatives of a step, shared by all its positions; for loss=sampled-softmax.")
    early_stopping: Literal["loss", "ndcg"] = option(
        "ndcg",
        help="what ends training and chooses the weights: validation loss, or NDCG@10 (reported as 1 - NDCG@10).",
    )


@dataclass(frozen=True)
class ESasRec(SequenceBackbone, NextItemOptions):
    """A causal transformer over items, trained on all positions by full cross-entropy or sampled softmax.

    Its options are those of `NextItemOptions`, `SequenceOptions` and `TrainedBackbone`, in this order.
    """

    patience: int = 10

    capability: ClassVar[Capability] = "items"

    def __post_init__(self) -> None:
        if self.loss not in ("ce", "sampled-softmax"):
            raise ValueError(f"loss is '{self.loss}'; it must be ce or sampled-softmax")
        if self.early_stopping not in ("loss", "ndcg"):
            raise ValueError(f"early_stopping is '{self.early_stopping}'; it must be loss or ndcg")
        check_option("negatives", self.negatives, self.negatives >= 1, "1 or more")
        super().__post_init__()

    def build_network(self, task: Task, blocks: CausalBlocks) -> NextItemNetwork:
        """See `SequenceBackbone.build_network`."""
        from .item_transformer.next_item import NextItemNetwork

        return NextItemNetwork(task.data.n_items, blocks, validate_ranks=self.early_stopping == "ndcg")

    def inference_model(self, network: NextItemNetwork) -> Model:
        """See `SequenceBackbone.inference_model`."""
        from .item_transformer.next_item import NextItemModel

        return NextItemModel(network)

    def collator(self, task: Task, stream: int) -> Collator:
        """See `SequenceBackbone.collator`; in training by sampled softmax, with a step's negatives."""
        import torch

        from .common.noise import uniform

        packed = super().collator(task, stream)
        if stream > 0 or self.loss == "ce":
            return packed

        def collate(examples: Any, keys: Any) -> dict[str, Tensor]:
            noise = torch.from_numpy(uniform(task.seed, stream, keys[:1], self.negatives)[0])
            return packed(examples, keys) | {"negatives": (noise * task.data.n_items).long()}

        return collate
