"""`recbole`: the sequential models of RecBole 1.2.1 (Zhao et al., CIKM 2021), trained by RecBole with its defaults.

mrbench run --model recbole:model=BERT4Rec --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass

from mindrec_bench.errors import did_you_mean
from mindrec_bench.plugins.options import option

from .recbole_backend.backbone import NetworkSpec, RecBoleBackbone

PAIRWISE_MODELS = ("FPMC", "SINE", "TransRec")
"""Models that RecBole trains on sampled negatives; the others have a cross-entropy over the whole catalogue."""

MODELS = (
    "BERT4Rec", "CORE", "Caser", "FEARec", "FOSSIL", "GCSAN", "GRU4Rec", "HGN", "HRM", "LightSANs",
    "NARM", "NPE", "NextItNet", "SASRec", "SHAN", "SRGNN", "STAMP", *PAIRWISE_MODELS,
)  # fmt: skip
"""RecBole's sequential models that need nothing but users' sequences and whose scores are logits.

The scores of RepeatNet and the two CPR models are probabilities, whose softmax would be nearly uniform.
"""


@dataclass(frozen=True)
class RecBole(RecBoleBackbone):
    """A sequential model of RecBole, by name: GRU4Rec, BERT4Rec, Caser, NARM and others."""

    model: str = option("GRU4Rec", help="its name in RecBole.")
    lr: float = option(1e-3, help="learning rate of Adam.")
    epochs: int = option(300, help="at most this many passes over the training examples.")
    batch: int = option(2048, help="examples per step.")
    patience: int = option(10, help="epochs without a better validation NDCG@10 before training stops.")

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ValueError(
                f"model is '{self.model}'{did_you_mean(self.model, MODELS)}; allowed: {', '.join(sorted(MODELS))}"
            )
        super().__post_init__()

    def network_spec(self) -> NetworkSpec:
        """RecBole's own class; negatives are sampled only for the models that need them."""
        sampling = {} if self.model in PAIRWISE_MODELS else {"train_neg_sample_args": None}
        return NetworkSpec(self.model, sampling)
