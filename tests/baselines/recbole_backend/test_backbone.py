"""RecBole's models as backbones: their metrics are RecBole's own, they learn, and they are deterministic."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_baselines.recbole import RecBole
from mindrec_baselines.recbole_backend import compat
from mindrec_baselines.recbole_backend.backbone import RecBoleBackbone
from mindrec_baselines.sasrec import SasRec
from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import DataError, UsageError
from mindrec_bench.plugins.options import build

from .helpers import SHORT, SLOTS, log_probs, make_task, user_metrics


@pytest.mark.parametrize(
    "backbone",
    [
        pytest.param(SasRec(epochs=2), id="sasrec"),
        pytest.param(SasRec(loss="ce", epochs=2), id="sasrec-ce", marks=pytest.mark.slow),
        pytest.param(RecBole("GRU4Rec", epochs=2), id="GRU4Rec", marks=pytest.mark.slow),
        pytest.param(RecBole("BERT4Rec", epochs=2), id="BERT4Rec"),
    ],
)
def test_our_metrics_equal_recboles(recbole: None, walks: Dataset, tmp_path: Path, backbone: RecBoleBackbone) -> None:
    """The same fitted model, ranked by RecBole's evaluation and by `rank-items`; no user has items 20 to 23."""
    task = make_task(walks)
    report = backbone.fit(task, tmp_path)
    with compat.patched_environment():
        data, network = backbone.new_network(task)
        network.load_state_dict(backbone.load(task, tmp_path).network.state_dict())
        trainer = compat.make_trainer(data.config, network)
        recbole_metrics = {}
        for split, loader in (("valid", data.valid), ("test", data.test)):
            hits: list[torch.Tensor] = []
            evaluate = trainer.evaluator.evaluate
            trainer.evaluator.evaluate = lambda collected, hits=hits, evaluate=evaluate: (  # type: ignore[misc]
                hits.append(collected.get("rec.topk")),
                evaluate(collected),
            )[1]
            means = trainer.evaluate(loader, load_best_model=False)
            recbole_metrics[split] = (means, hits[0][:, :10].sum(dim=1).numpy())
            trainer.evaluator.evaluate = evaluate
    for split, examples in (("valid", walks.validation()), ("test", walks.test())):
        ours = user_metrics(backbone, task, tmp_path, examples)
        means, user_hits = recbole_metrics[split]
        assert (ours["hr@10"] == user_hits).all(), split
        assert 0 < ours["hr@10"].mean() < 1
        assert ours["hr@10"].mean() == pytest.approx(means["hit@10"], abs=1e-8)
        assert ours["ndcg@10"].mean() == pytest.approx(means["ndcg@10"], abs=1e-8)
    best = 1 - min(report.valid_loss)
    assert best == pytest.approx(recbole_metrics["valid"][0]["ndcg@10"], abs=1e-8), "not the best epoch"


@pytest.mark.parametrize(
    ("backbone", "hit_rate"),
    [
        pytest.param(SasRec(epochs=5, batch=64, lr=1e-2), 0.6, id="sasrec"),
        pytest.param(RecBole("GRU4Rec", epochs=5, batch=64, lr=1e-2), 0.6, id="GRU4Rec"),
        pytest.param(RecBole("BERT4Rec", epochs=5, batch=64, lr=1e-2), 0.15, id="BERT4Rec", marks=pytest.mark.slow),
    ],
)
def test_the_next_item_is_learnt(
    recbole: None, chain: Callable[..., Dataset], tmp_path: Path, backbone: RecBoleBackbone, hit_rate: float
) -> None:
    task = make_task(chain(users=100, items=16))
    report = backbone.fit(task, tmp_path)
    test = task.data.test()
    first = log_probs(backbone, task, tmp_path, test).argmax(dim=1).numpy()
    assert (first == test.targets).mean() > hit_rate, "chance is 0.06"
    assert report.epochs == 5
    assert report.steps == 5 * -(-len(task.data.train_examples()) // 64)


def test_probabilities_are_a_softmax_over_the_catalogue(fitted: tuple[Task, Path, FitReport]) -> None:
    task, folder, _ = fitted
    histories = task.data.test().histories
    model = SHORT.load(task, folder)
    scores, log_probs = model.scores(histories), model.begin(histories, SLOTS).log_probs()
    assert log_probs.shape == (task.data.n_users, task.data.n_items)
    assert log_probs.dtype == torch.float64
    torch.testing.assert_close(log_probs, scores.double() - scores.double().logsumexp(dim=1, keepdim=True))
    rows = torch.tensor([17, 4])
    of_rows = model.begin(histories[rows.numpy()], SLOTS).log_probs()
    torch.testing.assert_close(of_rows, log_probs[rows], atol=1e-5, rtol=0)


def test_the_seed_determines_the_model(fitted: tuple[Task, Path, FitReport], tmp_path: Path) -> None:
    task, folder, report = fitted
    test = task.data.test()
    np.random.random(5)
    again = SHORT.fit(task, tmp_path / "same")
    assert again.valid_loss == report.valid_loss
    assert (tmp_path / "same" / "weights.safetensors").read_bytes() == (folder / "weights.safetensors").read_bytes()
    other = dataclasses.replace(task, seed=7)
    SHORT.fit(other, tmp_path / "other")
    assert (log_probs(SHORT, other, tmp_path / "other", test) != log_probs(SHORT, task, folder, test)).any()


def test_a_finished_training_is_not_repeated(fitted: tuple[Task, Path, FitReport]) -> None:
    task, folder, report = fitted
    assert SHORT.fit(task, folder) == report


def test_load_refuses_missing_models_and_other_sizes(fitted: tuple[Task, Path, FitReport], tmp_path: Path) -> None:
    task, folder, _ = fitted
    with pytest.raises(DataError, match=r"model\.json is missing or damaged"):
        SHORT.load(task, tmp_path)
    with pytest.raises(DataError, match="size 'small'"):
        SHORT.load(dataclasses.replace(task, size="small"), folder)


@pytest.mark.parametrize("cls", [SasRec, RecBole])
@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [("lr", "0", "above 0"), *((name, "0", "1 or more") for name in ("epochs", "batch", "patience"))],
)
def test_options_out_of_range_are_refused(cls: type, option: str, value: str, allowed: str) -> None:
    with pytest.raises(UsageError, match=f"{option} is .*; it must be {allowed}"):
        build(cls, "model", {option: value})
