"""`recbole`: every model that it offers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mindrec_baselines.recbole import MODELS, RecBole
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins.options import build

from .recbole_backend.helpers import log_probs, make_task, user_metrics


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UsageError, match=r"model is 'BERTRec' \(did you mean 'BERT4Rec'\?\); allowed: BERT4Rec, CORE"):
        build(RecBole, "recbole", {"model": "BERTRec"})


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_every_model_trains_and_ranks(recbole: None, walks: Dataset, tmp_path: Path, model: str, size: str) -> None:
    task = make_task(walks, size=size)
    backbone = RecBole(model, epochs=2, batch=128)
    backbone.fit(task, tmp_path)
    item_log_probs = log_probs(backbone, task, tmp_path, walks.test())
    assert torch.isfinite(item_log_probs).all()
    torch.testing.assert_close(item_log_probs.exp().sum(dim=1), torch.ones(walks.n_users, dtype=torch.float64))
    metrics = user_metrics(backbone, task, tmp_path, walks.validation())
    assert metrics["hr@10"].mean() > 0.1
