"""The loss of the SASRec paper."""

from __future__ import annotations

import torch

from mindrec_baselines.recbole_backend import compat


def test_bce_equals_its_definition(recbole: None) -> None:
    with compat.patched_environment():
        from mindrec_baselines.recbole_backend.bce_loss import SampledBceLoss
    positive, negative = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    expected = -(positive.sigmoid().log() + (1 - negative.sigmoid()).log()).mean()
    torch.testing.assert_close(SampledBceLoss()(positive, negative), expected)
