"""`esasrec`: what it learns, that it repeats, and that batches change nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_baselines.esasrec import ESasRec
from mindrec_baselines.item_transformer.next_item import NextItemModel
from mindrec_baselines.training import progress
from mindrec_bench.core.dataset import Histories
from mindrec_bench.errors import UsageError
from mindrec_bench.plugins.options import build
from mindrec_bench.testing import check_backbone

from .causal import task

LOSSES = pytest.mark.parametrize("loss", ["sampled-softmax", "ce"])


@LOSSES
def test_learns_a_cycle(chain, tmp_path: Path, loss: str) -> None:
    """The item after i is i + 1; training parts are cut to sequences of five."""
    chain_task = task(dataclasses.replace(chain(), history=4))
    backbone = ESasRec(loss=loss, negatives=8, dropout=0.0, lr=1e-2, epochs=5, batch=16).with_size_defaults("tiny")
    backbone.fit(chain_task, tmp_path)
    test = chain_task.data.test()
    best = backbone.load(chain_task, tmp_path).begin(test.histories, ()).log_probs().argmax(dim=1)
    assert (best.numpy() == test.targets).mean() > 0.9


def test_same_order_and_scores_in_and_out_of_batches(chain) -> None:
    chain_task = task(chain(), seed=3)
    model = NextItemModel(ESasRec().new_network(chain_task).eval())
    histories = chain_task.data.test().histories
    together = model.begin(histories, ()).log_probs()
    alone = torch.cat([model.begin(histories[[row]], ()).log_probs() for row in range(len(histories))])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    top, top_alone = (scores.topk(5, dim=1) for scores in (together, alone))
    apart = -top.values.diff(dim=1).min(dim=1).values > 1e-4
    assert apart.float().mean() > 0.5
    assert (top.indices == top_alone.indices)[apart].all()
    assert torch.allclose(together.exp().sum(dim=1), torch.ones(len(histories), dtype=torch.float64))


def test_a_history_longer_than_the_latest_item_counts(chain) -> None:
    model_task = task(chain())
    model = NextItemModel(ESasRec().new_network(model_task).eval())
    histories = Histories(np.array([[-1, -1, 3], [1, 2, 3], [2, 1, 3]]), np.arange(3))
    rows = model.begin(histories, ()).log_probs()
    assert not torch.allclose(rows[0], rows[1])
    assert not torch.allclose(rows[1], rows[2])


@pytest.mark.usefixtures("small_networks")
@LOSSES
def test_an_interrupted_training_continues_to_the_same_bits(chain, tmp_path: Path, monkeypatch, loss: str) -> None:
    backbone = ESasRec(loss=loss, epochs=2, batch=16).with_size_defaults("tiny")
    chain_task = task(chain())
    backbone.fit(chain_task, tmp_path / "whole")
    monkeypatch.setattr(progress, "SAVE_SECONDS", 0.0)

    saved = progress.TrainingProgress.on_save

    def save_and_stop(self, args, state, control, **kwargs):
        saved(self, args, state, control, **kwargs)
        if state.global_step == 6:  # in the middle of the second epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(progress.TrainingProgress, "on_save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            backbone.fit(chain_task, tmp_path / "stopped")
    backbone.fit(chain_task, tmp_path / "stopped")
    whole, stopped = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped


def test_negatives_differ_between_steps_and_repeat_with_the_seed(chain) -> None:
    backbone, chain_task = ESasRec(loss="sampled-softmax", negatives=50), task(chain())
    sequences, _ = backbone.examples(chain_task)
    some = dataclasses.replace(sequences, histories=sequences.histories[:4], targets=sequences.targets[:4])
    draws = [
        backbone.collator(task(chain(), seed=seed), 0)(some, np.arange(4) + 4 * step)["negatives"].tolist()
        for seed, step in ((1, 0), (1, 0), (1, 1), (2, 0))
    ]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]
    assert draws[0] != draws[3]
    assert 0 <= min(draws[0]) <= max(draws[0]) < 24
    assert "negatives" not in backbone.collator(chain_task, 1)(some, np.arange(4))


@pytest.mark.usefixtures("small_networks")
def test_other_options_keep_the_contract() -> None:
    check_backbone(ESasRec(epochs=1, batch=16, gates=False, validation_items=True, swaps=0.5, early_stopping="ndcg"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negatives": "0"}, r"negatives is 0; it must be 1 or more"),
        ({"loss": "bce"}, "loss"),
        ({"early_stopping": "hr"}, "early_stopping"),
        ({"swaps": "1.5"}, r"swaps is 1\.5; it must be from 0 to 1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(ESasRec, "esasrec", options)
