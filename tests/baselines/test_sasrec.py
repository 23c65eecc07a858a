"""`sasrec`: its three losses."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_baselines.recbole_backend import compat
from mindrec_baselines.sasrec import SasRec
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins.options import build

from .recbole_backend.helpers import make_task


def test_losses_before_training(recbole: None, walks: Dataset) -> None:
    losses = {}
    for loss in ("bce", "bpr", "ce"):
        with compat.patched_environment():
            data, network = SasRec(loss=loss).new_network(make_task(walks))  # type: ignore[arg-type]
            batch = next(iter(data.train))
            network.eval()
            losses[loss] = float(network.calculate_loss(batch))
            if loss != "ce":
                assert (batch["neg_item_id"] != batch["item_id"]).all()
    # scores are near 0 before training: two probabilities of 1/2, one of 1/2, one of 1/25 (RecBole counts the padding)
    assert losses == pytest.approx({"bce": 2 * np.log(2), "bpr": np.log(2), "ce": np.log(25)}, abs=0.05)


def test_an_unknown_loss_is_refused() -> None:
    with pytest.raises(UsageError, match="allowed: bce, ce, bpr"):
        build(SasRec, "sasrec", {"loss": "mse"})
    with pytest.raises(ValueError, match="loss is 'mse'; it must be bce, bpr, ce"):
        SasRec(loss="mse")  # type: ignore[arg-type]
