"""`llama3`: next-code prediction by Llama blocks (paper 4.1, LETTER-Llama3; eq. 1).

    mrbench run --model llama3 --decoder ar-beam --data arts --categories none

The network is in `causal_network`, training in `training`; size `8b` is the published LLM (`published`,
`text_causal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.protocols import Capability

from .code_lm.sizes import BLOCKS
from .llm.pretrained import CHECKPOINT, PretrainedBackbone, lora_defaults
from .training.trained_backbone import SizeDefaults, TrainedBackbone

if TYPE_CHECKING:
    from .code_lm.causal_lm import CausalCodeLM


@dataclass(frozen=True)
class Llama3(PretrainedBackbone):
    """Next code from left to right with causal attention: Llama blocks, the same as llada's.

    Attributes:
        lr: peak learning rate; None here and below: the size's own.
        epochs: at most this many passes.
        batch: examples a step.
        patience: epochs without a better validation loss before the learning rate falls and training ends.
        dropout: on the inputs and the last hidden states; at LLM sizes, of LoRA.
        weight_decay: of AdamW.
        shuffle: a new order each epoch; no: the order of users, as released.
        checkpoint: a folder or a hub id (ORG/NAME, ORG/NAME@REVISION) of published weights; here and below: LLM sizes.
        template: a text file of prompts, each with {history}, a line --- between them; the first is used at test.
        pad: mask the padding on the left of a prompt, or attend to it, as released.
        train_tokens: train the whole input embedding and output head, or only the rows of the codes.
        gradient_checkpointing: compute activations twice and store few: less memory, more time.
        load_in_8bit: keep the published weights in 8 bits (needs bitsandbytes and a GPU).
    """

    capability: ClassVar[Capability] = "causal"
    sizes: ClassVar[tuple[str, ...]] = (*TrainedBackbone.sizes, "8b", CHECKPOINT)
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        **TrainedBackbone.size_defaults,
        **dict.fromkeys(("8b", CHECKPOINT), lora_defaults(lr=1e-4)),
    }
    hub: ClassVar[Mapping[str, str]] = {"8b": "meta-llama/Meta-Llama-3-8B-Instruct"}
    families: ClassVar[tuple[str, ...]] = ("llama",)

    def _build(self, space: CodeSpace, size: str, dropout: float) -> CausalCodeLM:
        from transformers import LlamaConfig, LlamaModel

        from .code_lm.causal_lm import PROMPT, CausalCodeLM
        from .code_lm.transformer import settings

        blocks = LlamaModel(LlamaConfig(**settings(BLOCKS[size], PROMPT + space.n_slots)))
        return CausalCodeLM(space, blocks, dropout)
