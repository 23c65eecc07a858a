"""`llama3`: next-code prediction by Llama blocks (paper 4.1, LETTER-Llama3; eq. 1).

mrbench run --model llama3 --decoder ar-beam --data arts --categories none
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from .llm.causal_backbone import CausalBackbone
from .llm.pretrained import CHECKPOINT, lora_defaults
from .training.trained_backbone import SizeDefaults

if TYPE_CHECKING:
    from transformers import LlamaModel


@dataclass(frozen=True)
class Llama3(CausalBackbone):
    """Autoregressive model over codes: the Llama blocks of llada with causal attention."""

    sizes: ClassVar[tuple[str, ...]] = (*CausalBackbone.sizes, "8b", CHECKPOINT)
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        **CausalBackbone.size_defaults,
        **dict.fromkeys(("8b", CHECKPOINT), lora_defaults(lr=1e-4)),
    }
    hub: ClassVar[Mapping[str, str]] = {"8b": "meta-llama/Meta-Llama-3-8B-Instruct"}
    families: ClassVar[tuple[str, ...]] = ("llama",)

    @staticmethod
    def new_blocks(**config: Any) -> LlamaModel:
        """See `CausalBackbone.new_blocks`."""
        from transformers import LlamaConfig, LlamaModel

        return LlamaModel(LlamaConfig(**config))
