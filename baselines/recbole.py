"""`recbole`: the sequential models of RecBole 1.2.1 (Zhao et al., CIKM 2021), trained by RecBole with its defaults.

mrbench run --model recbole:model=BERT4Rec --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass

from mindrec_bench.errors import did_you_mean

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
    """A sequential model of RecBole, by name: GRU4Rec, BERT4Rec, Caser, NARM and others.

    Attributes:
        model: its name in RecBole.
    """

    model: str = "GRU4Rec"
    lr: float = 1e-3
    epochs: int = 300
    batch: int = 2048
    patience: int = 10

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
