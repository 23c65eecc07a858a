"""`qwen2.5`: next-code prediction by Qwen2 blocks (paper 4.1, LETTER-Qwen2.5; eq. 1).

    mrbench run --model qwen2.5 --decoder ar-beam --data arts --categories none

At equal size they differ from Llama's in one thing: queries, keys and values have biases. The network is in
`causal_network`, training in `training`; size `7b` is the published LLM (`published`, `text_causal`).
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
class Qwen25(PretrainedBackbone):
    """Next code from left to right with causal attention: Qwen2 blocks.

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
    sizes: ClassVar[tuple[str, ...]] = (*TrainedBackbone.sizes, "7b", CHECKPOINT)
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        **TrainedBackbone.size_defaults,
        **dict.fromkeys(("7b", CHECKPOINT), lora_defaults(lr=1e-4)),
    }
    hub: ClassVar[Mapping[str, str]] = {"7b": "Qwen/Qwen2.5-7B-Instruct"}
    families: ClassVar[tuple[str, ...]] = ("qwen2",)

    def _build(self, space: CodeSpace, size: str, dropout: float) -> CausalCodeLM:
        from transformers import Qwen2Config, Qwen2Model

        from .code_lm.causal_lm import PROMPT, CausalCodeLM
        from .code_lm.transformer import settings

        blocks = Qwen2Model(Qwen2Config(**settings(BLOCKS[size], PROMPT + space.n_slots)))
        return CausalCodeLM(space, blocks, dropout)
