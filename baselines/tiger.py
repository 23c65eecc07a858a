"""`tiger`: T5 from the codes of the history to the codes of the next item (Rajput et al., 2023; paper, section 4.1).

mrbench run --model tiger --decoder ar-beam --constrain catalogue --data arts --categories none
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mindrec_bench.core.code_space import CodeSpace
from mindrec_bench.core.protocols import Capability
from mindrec_bench.plugins.options import option

from .t5.sizes import T5_SIZES
from .training.code_backbone import CodeBackbone
from .training.trained_backbone import SizeDefaults

if TYPE_CHECKING:
    from .t5.seq2seq_code_lm import Seq2SeqCodeLM


@dataclass(frozen=True)
class Tiger(CodeBackbone):
    """TIGER: a T5 that reads the history's codes, one token each, and generates the next item's from left to right."""

    patience: int = 10
    dropout: float | None = option(None, help="dropout rate in every block of T5.")

    capability: ClassVar[Capability] = "causal"
    cpu_bf16: ClassVar[bool] = True
    size_defaults: ClassVar[Mapping[str, SizeDefaults]] = {
        "tiny": SizeDefaults(lr=3e-3, epochs=30, batch=128, dropout=0.1, weight_decay=0.01),
        "small": SizeDefaults(lr=1e-3, epochs=200, batch=1024, dropout=0.1, weight_decay=0.01),
    }

    def build_network(self, space: CodeSpace, size: str, dropout: float) -> Seq2SeqCodeLM:
        from .t5.seq2seq_code_lm import Seq2SeqCodeLM

        return Seq2SeqCodeLM(space, T5_SIZES[size], dropout)
