"""`tiger`: T5 from the codes of the history to the codes of the next item (Rajput et al., 2023; paper 4.1).

    mrbench run --model tiger --decoder ar-beam --constrain catalogue --data arts --categories none

The network is in `t5_network`, training in `training`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.protocols import Capability

from .training.trained_backbone import SizeDefaults, TrainedBackbone

if TYPE_CHECKING:
    from .t5.code_t5 import T5Codes

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"layers": 2, "hidden": 64, "inner": 256, "key": 16, "heads": 4},
    "small": {"layers": 4, "hidden": 128, "inner": 1024, "key": 64, "heads": 6},
}
"""`small` is the paper's own configuration."""


@dataclass(frozen=True)
class Tiger(TrainedBackbone):
    """TIGER: a T5 that reads the history's codes, one token each, and writes the next item's from left to right.

    Attributes:
        lr: peak learning rate; None here and below: the size's own.
        epochs: at most this many passes.
        batch: examples a step.
        patience: epochs without a better validation loss before the learning rate falls and training ends.
        dropout: T5's own, in every block.
        weight_decay: of AdamW.
        shuffle: a new order each epoch; no: the order of users, as released.
    """

    patience: int = 10

    capability: ClassVar[Capability] = "causal"
    cpu_bf16: ClassVar[bool] = True
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        "tiny": SizeDefaults(lr=3e-3, epochs=30, batch=128, dropout=0.1, weight_decay=0.01),
        "small": SizeDefaults(lr=1e-3, epochs=200, batch=1024, dropout=0.1, weight_decay=0.01),
    }

    def _build(self, space: CodeSpace, size: str, dropout: float) -> T5Codes:
        from .t5.code_t5 import T5Codes
        from .t5.encoder_decoder import T5Shape

        return T5Codes(space, T5Shape(**SHAPES[size]), dropout)
