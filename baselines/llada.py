"""`llada`: LLaDA-style masked diffusion over codes (paper 3.1, eq. 5 and 7): Llama blocks with full attention.

mrbench run --model llada --decoder dbs-penalty --data arts
mrbench run --model llada --decoder dbs-penalty --data arts --size 8b
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.dataset import Histories
from mindrec_bench.core.protocols import Capability, Model
from mindrec_bench.plugins.options import option

from .code_lm.sizes import TRANSFORMER_SIZES
from .llm.pretrained import CHECKPOINT, PretrainedBackbone, lora_defaults
from .training.trained_backbone import SizeDefaults, check_option

if TYPE_CHECKING:
    from torch import Tensor

    from .code_lm.llama_blocks import LlamaBlocks
    from .code_lm.masked_inference import MaskedInference
    from .code_lm.masked_lm import MaskedCodeLM
    from .training.batches import Collator

FROM_SCRATCH = PretrainedBackbone.sizes
"""The sizes that are trained from scratch."""


@dataclass(frozen=True)
class MaskedDiffusionOptions:
    """The options of masked diffusion, in a separate base class so that they are listed before those of training."""

    p_mask: float = option(0.6, help="the smallest masking probability in training, 0 < p_mask <= 1.")
    attention: Literal["full", "prefix"] = option(
        "full",
        help="what a history or prompt attends to: the slots too (`full`), or itself only (`prefix`), so that it is "
        "computed once.",
    )
    refresh: int = option(
        0,
        help="with full attention, compute histories or prompts again only at every so many steps, an approximation; "
        "0: at each step.",
        inference_only=True,
    )


@dataclass(frozen=True)
class Llada(PretrainedBackbone, MaskedDiffusionOptions):
    """Masked diffusion over codes with full attention: Llama blocks, any slot from the history and the revealed codes.

    Its options are those of `MaskedDiffusionOptions`, `TrainedBackbone` and `PretrainedBackbone`, in this order.
    """

    capability: ClassVar[Capability] = "denoiser"
    eval_repeats: ClassVar[int] = 2
    sizes: ClassVar[tuple[str, ...]] = (*FROM_SCRATCH, "8b", CHECKPOINT)
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        **PretrainedBackbone.size_defaults,
        **dict.fromkeys(("8b", CHECKPOINT), lora_defaults(lr=7e-5)),
    }
    hub: ClassVar[Mapping[str, str]] = {"8b": "GSAI-ML/LLaDA-8B-Instruct"}
    families: ClassVar[tuple[str, ...]] = ("llada", "llama")

    def __post_init__(self) -> None:
        check_option("p_mask", self.p_mask, 0 < self.p_mask <= 1, "above 0, at most 1")
        check_option("refresh", self.refresh, self.refresh >= 0, "a number of steps, or 0 for none")
        if self.refresh and self.attention == "prefix":
            raise ValueError("refresh is for attention=full; with attention=prefix histories are computed once anyway")
        super().__post_init__()

    def build_network(self, space: CodeSpace, size: str, dropout: float) -> MaskedCodeLM:
        """See `CodeBackbone.build_network`."""
        from .code_lm.masked_lm import MaskedCodeLM

        return MaskedCodeLM(space, TRANSFORMER_SIZES[size], dropout, self.attention)

    def inference_model(self, network: MaskedCodeLM) -> Model:
        """See `CodeBackbone.inference_model`."""
        return LladaModel(network, self.refresh)

    def collator(self, task: Task, stream: int) -> Collator:
        """See `CodeBackbone.collator`: histories, and targets with masked slots."""
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
    """A fitted network, ready for inference; `refresh` as in `Llada`."""

    network: MaskedCodeLM
    refresh: int = 0

    def begin(self, histories: Histories, slots: tuple[int, ...]) -> MaskedInference:
        """Encode the histories once. `slots`: the slots of the space on the canvas."""
        from .code_lm.masked_inference import MaskedInference
        from .code_lm.refreshing_inference import RefreshingInference

        blocks = self._blocks(histories.items.shape[1])
        if self.refresh > 1:
            return replace(RefreshingInference.begin(self.network, blocks, histories, slots), refresh=self.refresh)
        return MaskedInference.begin(self.network, blocks, histories, slots)

    @cached_property
    def _blocks_by_length(self) -> dict[int, LlamaBlocks]:
        return {}

    def _blocks(self, length: int) -> LlamaBlocks:
        """The blocks for histories of this length; converted once."""
        from .code_lm.llama_blocks import LlamaBlocks

        if length not in self._blocks_by_length:
            positions = length + self.network.space.n_slots
            self._blocks_by_length[length] = LlamaBlocks.from_model(self.network.blocks, positions)
        return self._blocks_by_length[length]
