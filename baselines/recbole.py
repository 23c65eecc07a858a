"""`recbole`: the sequential models of RecBole 1.2.1 (Zhao et al., CIKM 2021), trained by RecBole with its own defaults.

mrbench run --model recbole:model=BERT4Rec --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass

from mindrec_bench.core.backbone import Task
from mindrec_bench.errors import did_you_mean

from .recbole_backend.family import Plan, RecBoleFamily, Recipe

PAIRWISE = ("FPMC", "SINE", "TransRec")
"""Models that RecBole trains on a sampled negative; the others see the whole catalogue in a cross-entropy."""

MODELS = (
    "BERT4Rec", "CORE", "Caser", "FEARec", "FOSSIL", "GCSAN", "GRU4Rec", "HGN", "HRM", "LightSANs",
    "NARM", "NPE", "NextItNet", "SASRec", "SHAN", "SRGNN", "STAMP", *PAIRWISE,
)  # fmt: skip
"""RecBole's sequential models that need nothing but users' sequences and whose scores are logits.

RepeatNet and the two CPR models score with probabilities, of which a softmax would be nearly flat.
"""


@dataclass(frozen=True)
class RecBole(RecBoleFamily):
    """A sequential model of RecBole, by name: GRU4Rec, BERT4Rec, Caser, NARM and others.

    Attributes:
        model: its name in RecBole.
        lr: learning rate of Adam.
        epochs: at most this many passes.
        batch: examples a step.
        patience: epochs without a better validation NDCG@10 before training stops.
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
        self._recipe()

    def plan(self, task: Task) -> Plan:
        """RecBole's own class; negatives are sampled only for the models that need them."""
        negatives = {} if self.model in PAIRWISE else {"train_neg_sample_args": None}
        return Plan(self.model, self._recipe().settings | negatives)

    def _recipe(self) -> Recipe:
        return Recipe(self.lr, self.epochs, self.batch, self.patience)
