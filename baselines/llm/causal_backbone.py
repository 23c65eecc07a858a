"""The base class of `llama3` and `qwen2.5`: next-code prediction by a causal decoder (paper 4.1; eq. 1)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.protocols import Capability

from ..code_lm.sizes import TRANSFORMER_SIZES
from .pretrained import PretrainedBackbone

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from ..code_lm.causal_lm import CausalCodeLM


@dataclass(frozen=True)
class CausalBackbone(PretrainedBackbone):
    """A causal decoder of transformers; a subclass says of which architecture."""

    capability: ClassVar[Capability] = "causal"

    @staticmethod
    @abstractmethod
    def new_blocks(**config: Any) -> PreTrainedModel:
        """A model of transformers without a head, with random weights.

        Args:
            config: keyword arguments of its configuration class.
        """

    def build_network(self, space: CodeSpace, size: str, dropout: float) -> CausalCodeLM:
        """See `CodeBackbone.build_network`."""
        from ..code_lm.causal_lm import PROMPT_LENGTH, CausalCodeLM
        from ..code_lm.transformer import config_kwargs

        config = config_kwargs(TRANSFORMER_SIZES[size], PROMPT_LENGTH + space.n_slots)
        return CausalCodeLM(space, self.new_blocks(**config), dropout)
