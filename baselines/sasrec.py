"""`sasrec`: self-attention over the history (Kang and McAuley, ICDM 2018), through RecBole 1.2.1's SASRec.

The default loss is the paper's: binary cross-entropy with one sampled negative. RecBole has CE over the whole
catalogue and BPR; results differ much between the three, so the loss is part of the row's name.

    mrbench run --model sasrec --decoder rank-items --data arts
    mrbench run --model sasrec:loss=ce --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mindrec_bench.core.backbone import Task

from .recbole_backend.family import Plan, RecBoleFamily, Recipe

LOSSES: dict[str, dict[str, Any]] = {
    "bce": {"loss_type": "BPR"},
    "bpr": {"loss_type": "BPR"},
    "ce": {"loss_type": "CE", "train_neg_sample_args": None},
}
"""RecBole's parameters; with BPR it samples one negative for each example, uniformly and not the positive."""


@dataclass(frozen=True)
class SasRec(RecBoleFamily):
    """SASRec through RecBole: BCE with one sampled negative by default, CE and BPR on request.

    Attributes:
        loss: `bce` (the paper's), `ce` or `bpr` (RecBole's own).
        lr: learning rate of Adam.
        epochs: at most this many passes.
        batch: examples a step.
        patience: epochs without a better validation NDCG@10 before training stops (20: the paper's; BCE starts slowly).
    """

    loss: Literal["bce", "ce", "bpr"] = "bce"
    lr: float = 1e-3
    epochs: int = 200
    batch: int = 256
    patience: int = 20

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss is '{self.loss}'; it must be {', '.join(LOSSES)}")
        self._recipe()

    def plan(self, task: Task) -> Plan:
        """RecBole's SASRec and its parameters, with our loss where RecBole has none."""
        return Plan("SASRec", self._recipe().settings | LOSSES[self.loss], _bce if self.loss == "bce" else None)

    def _recipe(self) -> Recipe:
        return Recipe(self.lr, self.epochs, self.batch, self.patience)


def _bce(config: Any, dataset: Any) -> Any:
    from .recbole_backend.bce_loss import BceSasRec

    return BceSasRec(config, dataset)
