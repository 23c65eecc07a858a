"""`sasrec`: self-attention over the history (Kang and McAuley, ICDM 2018), through RecBole 1.2.1's SASRec.

The default loss is the paper's: binary cross-entropy (BCE) with one sampled negative. RecBole has BPR and cross-entropy
over the whole catalogue (CE). Results differ much between the three, so the loss is part of a row's name.

    mrbench run --model sasrec --decoder rank-items --data arts
    mrbench run --model sasrec:loss=ce --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mindrec_bench.plugins.options import option

from .recbole_backend.backbone import NetworkSpec, RecBoleBackbone

LOSS_SETTINGS: dict[str, dict[str, Any]] = {
    "bce": {"loss_type": "BPR"},
    "bpr": {"loss_type": "BPR"},
    "ce": {"loss_type": "CE", "train_neg_sample_args": None},
}
"""RecBole's settings; with BPR it samples one negative per example, uniformly among the items but the positive."""


@dataclass(frozen=True)
class SasRec(RecBoleBackbone):
    """SASRec through RecBole: BCE with one sampled negative by default, CE and BPR on request."""

    loss: Literal["bce", "ce", "bpr"] = option("bce", help="`bce` (the paper's), `ce` or `bpr` (RecBole's own).")
    lr: float = option(1e-3, help="learning rate of Adam.")
    epochs: int = option(200, help="at most this many passes over the training examples.")
    batch: int = option(256, help="examples per step.")
    patience: int = option(
        20,
        help="epochs without a better validation NDCG@10 before training stops (20: the paper's; BCE starts slowly).",
    )

    def __post_init__(self) -> None:
        if self.loss not in LOSS_SETTINGS:
            raise ValueError(f"loss is '{self.loss}'; it must be {', '.join(LOSS_SETTINGS)}")
        super().__post_init__()

    def network_spec(self) -> NetworkSpec:
        """RecBole's SASRec, with our loss where RecBole has none."""
        return NetworkSpec("SASRec", LOSS_SETTINGS[self.loss], _bce_sasrec if self.loss == "bce" else None)


def _bce_sasrec(config: Any, dataset: Any) -> Any:
    from .recbole_backend.bce_loss import BceSasRec

    return BceSasRec(config, dataset)
