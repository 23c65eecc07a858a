"""`llama3`: next-code prediction by Llama blocks (paper 4.1, LETTER-Llama3; eq. 1).

    mrbench run --model llama3 --decoder ar-beam --data arts --categories none

The network is in `causal_network`, training in `training`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mindrec_bench.codes import CodeSpace
from mindrec_bench.contracts import Capability

from .from_scratch import BLOCKS, FromScratch

if TYPE_CHECKING:
    from .causal_network import CausalNetwork


@dataclass(frozen=True)
class Llama3(FromScratch):
    """Next code from left to right with causal attention: Llama blocks, the same as llada's.

    Attributes:
        lr: peak learning rate; None here and below: the size's own.
        epochs: at most this many passes.
        batch: examples a step.
        patience: epochs without a better validation loss before training stops.
        dropout: on the inputs and the last hidden states.
        weight_decay: of AdamW.
        shuffle: a new order each epoch; no: the order of users, as released.
    """

    capability: ClassVar[Capability] = "causal"

    def _build(self, space: CodeSpace, size: str, dropout: float) -> CausalNetwork:
        from transformers import LlamaConfig, LlamaModel

        from .causal_network import PROMPT, CausalNetwork
        from .code_blocks import settings

        blocks = LlamaModel(LlamaConfig(**settings(BLOCKS[size], PROMPT + space.n_slots)))
        return CausalNetwork(space, blocks, dropout)
