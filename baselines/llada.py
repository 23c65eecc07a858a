"""LLaDA-style masked diffusion over codes (paper 3.1, eq. 5 and 7): Llama blocks with full attention.

    mrbench run --model llada --decoder dbs-penalty --data arts
    mrbench run --model llada --decoder dbs-penalty --data arts --size 8b

The network is in `code_network`, the objective in `diffusion`, training in `training`; the published LLM is in
`text_denoiser`, and what it shares with the others in `published`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.protocols import Capability, Model
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins.options import INFERENCE_ONLY, LATER

from .code_lm.sizes import BLOCKS
from .llm.pretrained import CHECKPOINT, PretrainedBackbone, lora_defaults
from .training.trained_backbone import SizeDefaults, TrainedBackbone, check

if TYPE_CHECKING:
    from torch import Tensor

    from .code_lm.llama_blocks import LlamaBlocks
    from .code_lm.masked_inference import MaskedInference
    from .code_lm.masked_lm import MaskedCodeLM
    from .training.trainer import Collate


@dataclass(frozen=True)
class MaskedObjective:
    """The options of masked diffusion.

    Attributes:
        p_mask: the smallest masking probability in training, 0 < p_mask <= 1.
        attention: what a history sees: the slots too (`full`), or itself only (`prefix`), so that it is read once.
        refresh: of full attention: read histories anew every so many steps, and not at each (0): an approximation.
    """

    p_mask: float = 0.6
    attention: Literal["full", "prefix"] = field(default="full", metadata=LATER)
    refresh: int = field(default=0, metadata=INFERENCE_ONLY)


@dataclass(frozen=True)
class Llada(PretrainedBackbone, MaskedObjective):  # options are listed from the last base to the first
    """Masked diffusion over codes with full attention: Llama blocks, any slot from the history and the revealed codes.

    Attributes:
        p_mask: the smallest masking probability in training, 0 < p_mask <= 1.
        attention: what a history sees: the slots too (`full`), or itself only (`prefix`), so that it is read once.
        refresh: of full attention: read histories anew every so many steps, and not at each (0): an approximation.
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

    capability: ClassVar[Capability] = "denoiser"
    eval_repeats: ClassVar[int] = 2
    sizes: ClassVar[tuple[str, ...]] = (*TrainedBackbone.sizes, "8b", CHECKPOINT)
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        **TrainedBackbone.size_defaults,
        **dict.fromkeys(("8b", CHECKPOINT), lora_defaults(lr=7e-5)),
    }
    hub: ClassVar[Mapping[str, str]] = {"8b": "GSAI-ML/LLaDA-8B-Instruct"}
    families: ClassVar[tuple[str, ...]] = ("llada", "llama")

    def __post_init__(self) -> None:
        check("p_mask", self.p_mask, 0 < self.p_mask <= 1, "above 0, at most 1")
        check("refresh", self.refresh, self.refresh >= 0, "a number of steps, or 0 for none")
        if self.refresh and self.attention == "prefix":
            raise ValueError("refresh is for attention=full; histories of attention=prefix are read once anyway")
        super().__post_init__()

    def file_fingerprints(self, size: str) -> dict[str, str]:
        """See `PretrainedBackbone.file_fingerprints`.

        Raises:
            UsageError: an option of the from-scratch sizes is given at an LLM size.
        """
        if self._reads_text(size) and (self.attention != "full" or self.refresh):
            raise UsageError(
                f"llada reads prompts with full attention at every step at size '{size}'; "
                f"attention and refresh are for {' and '.join(TrainedBackbone.sizes)}"
            )
        return super().file_fingerprints(size)

    def _build(self, space: CodeSpace, size: str, dropout: float) -> MaskedCodeLM:
        from .code_lm.masked_lm import MaskedCodeLM

        return MaskedCodeLM(space, BLOCKS[size], dropout, self.attention)

    def _model(self, network: MaskedCodeLM) -> Model:
        return LladaModel(network, self.refresh)

    def _collate(self, task: Task, stream: int) -> Collate:
        import torch

        from .code_lm.masked_diffusion import mask_targets
        from .common.noise import uniform

        def collate(examples: Any, keys: Any) -> dict[str, Tensor]:
            codes = task.space.item_codes[examples.targets]
            noise = uniform(task.seed, stream, keys, 1 + codes.shape[1])
            revealed, weights = mask_targets(codes, noise, self.p_mask)
            arrays = {"items": examples.histories.items, "revealed": revealed, "labels": codes, "weights": weights}
            return {name: torch.from_numpy(array) for name, array in arrays.items()}

        return collate


@dataclass(frozen=True, eq=False)
class LladaModel:
    """A fitted network, ready to answer; `refresh` as in `Llada`."""

    network: MaskedCodeLM
    refresh: int = 0

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> MaskedInference:
        """Read the histories once. `slots`: the slots of the space that are in the input at all."""
        from .code_lm.masked_inference import MaskedInference
        from .code_lm.refreshing_inference import RefreshingInference

        if self.refresh > 1:
            return replace(
                RefreshingInference.begin(self.network, self._blocks, histories, slots), refresh=self.refresh
            )
        return MaskedInference.begin(self.network, self._blocks, histories, slots)

    @cached_property
    def _blocks(self) -> LlamaBlocks:
        from .code_lm.llama_blocks import LlamaBlocks

        return LlamaBlocks.of(self.network.blocks)
