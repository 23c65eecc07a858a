"""`rpg`: all codes of the next item at once, after RPG (arXiv 2506.05781): one pass, one head for each slot.

A causal transformer with one position for each item, the sum of its code embeddings, is trained on all positions of
each user's sequence; the loss is the cross-entropy of each code given the history, mean over slots. What is revealed
changes no answer: beside a model that reads it, that shows what conditioning is worth. RPG has 16 to 64 short codes an
item from product quantisation, and searches a graph of items; here the codes are those of the data.

    mrbench run --model rpg --decoder dbs-dedup --data instruments --categories none --history 50
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.protocols import Capability, Model

from .item_transformer.sequence_backbone import SequenceBackbone

if TYPE_CHECKING:
    from .item_transformer.blocks import CausalBlocks
    from .item_transformer.next_codes import NextCodesNetwork


@dataclass(frozen=True)
class Rpg(SequenceBackbone):
    """One pass over the history, then a head for each slot; answers do not depend on revealed codes.

    Its options are those of `SequenceOptions` and `TrainedBackbone`, in this order.
    """

    capability: ClassVar[Capability] = "denoiser"

    def build_network(self, task: Task, blocks: CausalBlocks) -> NextCodesNetwork:
        """See `SequenceBackbone.build_network`."""
        from .item_transformer.next_codes import NextCodesNetwork

        return NextCodesNetwork(task.space, blocks)

    def inference_model(self, network: NextCodesNetwork) -> Model:
        """See `SequenceBackbone.inference_model`."""
        from .item_transformer.next_codes import NextCodesModel

        return NextCodesModel(network)
