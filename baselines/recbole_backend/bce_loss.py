"""RecBole's SASRec with the loss of the SASRec paper (Kang and McAuley, ICDM 2018, eq. 6), which RecBole lacks."""

from __future__ import annotations

from typing import Any

from recbole.model.sequential_recommender import SASRec
from torch import Tensor, nn
from torch.nn.functional import softplus


class SampledBceLoss(nn.Module):
    """Binary cross-entropy of the next item and one sampled negative: -log s(positive) - log(1 - s(negative))."""

    def forward(self, positive: Tensor, negative: Tensor) -> Tensor:
        """Mean over the batch. Shapes: (B,), (B,) -> ()"""
        return (softplus(-positive) + softplus(negative)).mean()


class BceSasRec(SASRec):  # type: ignore[misc]
    """SASRec whose pairwise loss is `SampledBceLoss`; `loss_type` must be BPR, so that RecBole samples negatives."""

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.loss_fct = SampledBceLoss()
