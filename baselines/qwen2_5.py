"""`qwen2.5`: next-code prediction by Qwen2 blocks (paper 4.1, LETTER-Qwen2.5; eq. 1).

    mrbench run --model qwen2.5 --decoder ar-beam --data arts --categories none

At the same size these blocks differ from Llama's in one thing: queries, keys and values have biases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from .llm.causal_backbone import CausalBackbone
from .llm.pretrained import CHECKPOINT, lora_defaults
from .training.trained_backbone import SizeDefaults

if TYPE_CHECKING:
    from transformers import Qwen2Model


@dataclass(frozen=True)
class Qwen25(CausalBackbone):
    """Next code from left to right with causal attention: Qwen2 blocks."""

    sizes: ClassVar[tuple[str, ...]] = (*CausalBackbone.sizes, "7b", CHECKPOINT)
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        **CausalBackbone.size_defaults,
        **dict.fromkeys(("7b", CHECKPOINT), lora_defaults(lr=1e-4)),
    }
    hub: ClassVar[Mapping[str, str]] = {"7b": "Qwen/Qwen2.5-7B-Instruct"}
    families: ClassVar[tuple[str, ...]] = ("qwen2",)

    @staticmethod
    def new_blocks(**config: Any) -> Qwen2Model:
        """See `CausalBackbone.new_blocks`."""
        from transformers import Qwen2Config, Qwen2Model

        return Qwen2Model(Qwen2Config(**config))
