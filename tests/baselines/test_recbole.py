"""`sasrec` and `recbole`: RecBole's models on our split, and their scores in our metrics."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mindrec_baselines.recbole import MODELS, RecBole
from mindrec_baselines.recbole_backend import compat
from mindrec_baselines.recbole_backend.family import RecBoleFamily
from mindrec_baselines.sasrec import SasRec
from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.dataset import Dataset, Examples, Histories
from mindrec_bench.errors import DataError, MrbenchError, UsageError
from mindrec_bench.metrics.lists import Catalogue, score_lists
from mindrec_bench.plugins.options import build
from mindrec_bench.testing import make_canvas
from mindrec_decoders.rank_items import RankItems

QUICK = SasRec(epochs=3, batch=128, lr=3e-3)
SLOTS = (0, 1, 2, 3)


def task(data: Dataset, **changes: object) -> Task:
    given = Task(data, data.space(categories=False), size="tiny", quiet=True)
    return dataclasses.replace(given, **changes)  # type: ignore[arg-type]


def log_probs(backbone: RecBoleFamily, given: Task, folder: Path, examples: Examples) -> torch.Tensor:
    return backbone.load(given, folder).begin(examples.histories, SLOTS).log_probs()


def our_metrics(backbone: RecBoleFamily, given: Task, folder: Path, examples: Examples) -> dict[str, np.ndarray]:
    context = backbone.load(given, folder).begin(examples.histories, SLOTS)
    ranking = RankItems().decode(context, make_canvas(given.space, examples.histories.users), beam=10)
    catalogue = Catalogue(given.space, given.data.train_counts())
    return score_lists(ranking.codes.numpy(), examples.targets, catalogue)[0]


@pytest.fixture(scope="module")
def recbole() -> None:
    try:
        compat.require()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def data(chain: Callable[..., Dataset]) -> Dataset:
    """Users with 3 to 14 interactions, and items that no sequence holds."""
    walks = chain(users=80, items=24)
    items = np.where(walks.items >= 20, walks.items - 20, walks.items)  # 20 to 23 are in the catalogue only
    offsets = walks.offsets.copy()
    offsets[1:] -= walks.offsets[1] - 3  # the first user keeps three interactions
    return dataclasses.replace(walks, items=items[walks.offsets[1] - 3 :], offsets=offsets, fingerprint="walks")


@pytest.fixture(scope="module")
def fitted(recbole: None, data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Task, Path, FitReport]:
    folder = tmp_path_factory.mktemp("sasrec")
    return task(data), folder, QUICK.fit(task(data), folder)


def test_recbole_sees_our_split_and_the_whole_catalogue(recbole: None, data: Dataset) -> None:
    with compat.patched_environment():
        prepared, network = QUICK._make(task(data))
        parts = {
            "train": (prepared.train.dataset, data.train_examples()),
            "valid": (prepared.valid.dataset, data.validation()),
            "test": (prepared.test.dataset, data.test()),
        }
        for name, (seen, ours) in parts.items():
            fields, expected = seen.inter_feat.interaction, prepared.interaction(ours.histories).interaction
            for field in ("user_id", "item_id_list", "item_length"):
                assert torch.equal(fields[field], expected[field]), f"{field} of {name}"
            tokens = prepared.dataset.id2token("item_id", fields["item_id"])
            assert [int(token) for token in tokens] == ours.targets.tolist(), name
    assert sorted(prepared.items.tolist()) == list(range(1, data.n_items + 1))
    assert network.item_embedding.num_embeddings == data.n_items + 1


def test_histories_are_left_aligned_and_strangers_allowed(fitted: tuple[Task, Path, FitReport]) -> None:
    given, folder, _ = fitted
    model = QUICK.load(given, folder)
    numbers = model.prepared.items
    items = np.full((2, 10), -1)
    items[0, -2:] = [5, 7]
    arrays = model.prepared.arrays(Histories(items, np.array([3, 10**6])))
    assert arrays["item_id_list"][0].tolist() == [numbers[5], numbers[7], *[0] * 8]
    assert arrays["item_length"].tolist() == [2, 1]
    assert arrays["user_id"][1] == 0
    empty = model.begin(Histories(items, np.array([3, 10**6])), SLOTS).log_probs()
    assert torch.isfinite(empty).all()


@pytest.mark.parametrize(
    "backbone",
    [SasRec(epochs=2), SasRec(loss="ce", epochs=2), RecBole("GRU4Rec", epochs=2), RecBole("BERT4Rec", epochs=2)],
    ids=["sasrec", "sasrec-ce", "GRU4Rec", "BERT4Rec"],
)
def test_our_metrics_equal_recboles_own(recbole: None, data: Dataset, tmp_path: Path, backbone: RecBoleFamily) -> None:
    """The same fitted model, ranked by RecBole's evaluation and by ours; nobody has items 20 to 23."""
    given = task(data)
    report = backbone.fit(given, tmp_path)
    with compat.patched_environment():
        prepared, network = backbone._make(given)
        network.load_state_dict(backbone.load(given, tmp_path).network.state_dict())
        trainer = compat.trainer(prepared.config, network)
        theirs = {}
        for part, loader in (("valid", prepared.valid), ("test", prepared.test)):
            hits: list[torch.Tensor] = []
            collect = trainer.evaluator.evaluate
            trainer.evaluator.evaluate = lambda found, hits=hits, collect=collect: (  # type: ignore[misc]
                hits.append(found.get("rec.topk")),
                collect(found),
            )[1]
            theirs[part] = (trainer.evaluate(loader, load_best_model=False), hits[0][:, :10].sum(dim=1).numpy())
            trainer.evaluator.evaluate = collect
    for part, examples in (("valid", data.validation()), ("test", data.test())):
        ours = our_metrics(backbone, given, tmp_path, examples)
        result, users = theirs[part]
        assert (ours["hr@10"] == users).all(), part
        assert 0 < ours["hr@10"].mean() < 1
        assert ours["hr@10"].mean() == pytest.approx(result["hit@10"], abs=1e-8)
        assert ours["ndcg@10"].mean() == pytest.approx(result["ndcg@10"], abs=1e-8)
    assert 1 - min(report.valid_loss) == pytest.approx(theirs["valid"][0]["ndcg@10"], abs=1e-8), "not the best epoch"


@pytest.mark.parametrize(
    ("backbone", "hr"),
    [
        (SasRec(epochs=5, batch=64, lr=1e-2), 0.6),
        (RecBole("GRU4Rec", epochs=5, batch=64, lr=1e-2), 0.6),
        (RecBole("BERT4Rec", epochs=5, batch=64, lr=1e-2), 0.15),
    ],
    ids=["sasrec", "GRU4Rec", "BERT4Rec"],
)
def test_learns_the_next_item(
    recbole: None, chain: Callable[..., Dataset], tmp_path: Path, backbone: RecBoleFamily, hr: float
) -> None:
    given = task(chain(users=100, items=16))
    report = backbone.fit(given, tmp_path)
    test = given.data.test()
    best = log_probs(backbone, given, tmp_path, test).argmax(dim=1).numpy()
    assert (best == test.targets).mean() > hr, "chance is 0.06"
    assert report.epochs == 5
    assert report.steps == 5 * -(-len(given.data.train_examples()) // 64)


def test_answers_are_a_softmax_over_the_catalogue(fitted: tuple[Task, Path, FitReport]) -> None:
    given, folder, _ = fitted
    histories = given.data.test().histories
    model = QUICK.load(given, folder)
    scores, answers = model.scores(histories), model.begin(histories, SLOTS).log_probs()
    assert answers.shape == (given.data.n_users, given.data.n_items)
    assert answers.dtype == torch.float64
    torch.testing.assert_close(answers, scores.double() - scores.double().logsumexp(dim=1, keepdim=True))
    rows = torch.tensor([17, 4])
    some = model.begin(histories[rows.numpy()], SLOTS).log_probs()
    torch.testing.assert_close(some, answers[rows], atol=1e-5, rtol=0)


def test_the_seed_decides(fitted: tuple[Task, Path, FitReport], tmp_path: Path) -> None:
    given, folder, report = fitted
    test = given.data.test()
    np.random.random(5)
    again = QUICK.fit(given, tmp_path / "same")
    assert again.valid_loss == report.valid_loss
    assert (tmp_path / "same" / "weights.safetensors").read_bytes() == (folder / "weights.safetensors").read_bytes()
    other = dataclasses.replace(given, seed=7)
    QUICK.fit(other, tmp_path / "other")
    assert (log_probs(QUICK, other, tmp_path / "other", test) != log_probs(QUICK, given, folder, test)).any()


@pytest.mark.parametrize(
    "backbone", [QUICK, RecBole("BERT4Rec", epochs=3, batch=128)], ids=["negatives", "random masks"]
)
def test_a_killed_training_continues_to_the_same_bits(
    recbole: None, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backbone: RecBoleFamily
) -> None:
    from recbole.trainer import Trainer

    given = task(data)
    whole = backbone.fit(given, tmp_path / "whole")
    train_epoch = Trainer._train_epoch

    def killed(self, loader, epoch, *rest, **more):  # type: ignore[no-untyped-def]
        if epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self, loader, epoch, *rest, **more)

    monkeypatch.setattr(Trainer, "_train_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        backbone.fit(given, tmp_path / "killed")
    monkeypatch.setattr(Trainer, "_train_epoch", train_epoch)
    assert [path.name for path in (tmp_path / "killed").rglob("*.*")] == ["checkpoint.pt"]
    lines: list[str] = []
    report = backbone.fit(dataclasses.replace(given, notify=lines.append), tmp_path / "killed")
    assert lines == ["training continues at epoch 2 of 3"]
    assert report.valid_loss == whole.valid_loss
    for name in ("whole", "killed"):
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == ["model.json", "weights.safetensors"]
    one, other = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "killed"))
    assert one == other


def test_a_finished_training_is_not_repeated(fitted: tuple[Task, Path, FitReport]) -> None:
    given, folder, report = fitted
    assert QUICK.fit(given, folder) == report


def test_stops_when_time_is_up_and_says_so(recbole: None, data: Dataset, tmp_path: Path) -> None:
    report = SasRec(epochs=50).fit(task(data, max_minutes=1e-6), tmp_path)
    assert (report.epochs, len(report.valid_loss), report.under_trained) == (1.0, 1, True)
    assert report.precision == "float32"


def test_stops_without_progress_and_keeps_the_best(recbole: None, data: Dataset, tmp_path: Path) -> None:
    report = SasRec(epochs=60, lr=0.3, patience=2, batch=128).fit(task(data), tmp_path)
    assert report.epochs < 60
    assert np.argmin(report.valid_loss[::-1]) == 2
    assert not report.under_trained


def test_a_loss_that_is_no_number_is_one_sentence(recbole: None, data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(MrbenchError, match="no number any more after 0 epochs; train with a smaller lr"):
        SasRec(lr=1e30, epochs=2, batch=32).fit(task(data), tmp_path)


def test_recbole_leaves_no_trace(
    recbole: None, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr(sys, "argv", ["mrbench", "--epochs=1", "--learning_rate=9"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    names, level = {name: id(value) for name, value in vars(np).items()}, logging.root.manager.disable
    report = RecBole("FEARec", epochs=2).fit(task(data), tmp_path / "model")
    assert report.epochs == 2, "RecBole read our command line"
    assert {name: id(value) for name, value in vars(np).items()} == names
    assert logging.root.manager.disable == level
    assert not torch.is_anomaly_enabled(), "every training in this process would be slow"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    assert list((tmp_path / "cwd").iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_bce_is_the_papers_loss(recbole: None) -> None:
    with compat.patched_environment():
        from mindrec_baselines.recbole_backend.bce_loss import SampledBce
    positive, negative = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
    expected = -(positive.sigmoid().log() + (1 - negative.sigmoid()).log()).mean()
    torch.testing.assert_close(SampledBce()(positive, negative), expected)


def test_each_loss_is_its_own(recbole: None, data: Dataset) -> None:
    losses = {}
    for loss in ("bce", "bpr", "ce"):
        with compat.patched_environment():
            prepared, network = SasRec(loss=loss)._make(task(data))  # type: ignore[arg-type]
            batch = next(iter(prepared.train))
            network.eval()
            losses[loss] = float(network.calculate_loss(batch))
            if loss != "ce":
                assert (batch["neg_item_id"] != batch["item_id"]).all()
    # scores are near 0 before training: two halves, one half, one of 25 (RecBole counts the padding)
    assert losses == pytest.approx({"bce": 2 * np.log(2), "bpr": np.log(2), "ce": np.log(25)}, abs=0.05)


def test_load_refuses_what_is_missing_or_of_another_size(fitted: tuple[Task, Path, FitReport], tmp_path: Path) -> None:
    given, folder, _ = fitted
    with pytest.raises(DataError, match=r"model\.json is missing or damaged"):
        QUICK.load(given, tmp_path)
    with pytest.raises(DataError, match="size 'small'"):
        QUICK.load(dataclasses.replace(given, size="small"), folder)


@pytest.mark.parametrize("call", ["fit", "load"])
def test_without_recbole_says_what_to_install(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.setattr(compat, "find_spec", lambda package: None)
    for version, remedy in (((3, 11), "pip install"), ((3, 12), "use Python 3.11")):
        monkeypatch.setattr(compat.sys, "version_info", version)
        with pytest.raises(UsageError, match=f"need RecBole 1.2.1 .*{remedy}.*all other models work without it"):
            getattr(QUICK, call)(task(data), tmp_path)


def test_unknown_models_and_options_are_refused() -> None:
    with pytest.raises(UsageError, match=r"model is 'BERTRec' \(did you mean 'BERT4Rec'\?\); allowed: BERT4Rec, CORE"):
        build(RecBole, "recbole", {"model": "BERTRec"})
    with pytest.raises(UsageError, match="allowed: bce, ce, bpr"):
        build(SasRec, "sasrec", {"loss": "mse"})
    with pytest.raises(ValueError, match="loss is 'mse'; it must be bce, bpr, ce"):
        SasRec(loss="mse")  # type: ignore[arg-type]


@pytest.mark.parametrize("cls", [SasRec, RecBole])
@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [("lr", "0", "above 0"), *((name, "0", "1 or more") for name in ("epochs", "batch", "patience"))],
)
def test_options_out_of_range_are_refused(cls: type, option: str, value: str, allowed: str) -> None:
    with pytest.raises(UsageError, match=f"{option} is .*; it must be {allowed}"):
        build(cls, "model", {option: value})


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_every_listed_model_trains_and_ranks(
    recbole: None, data: Dataset, tmp_path: Path, model: str, size: str
) -> None:
    given = task(data, size=size)
    backbone = RecBole(model, epochs=2, batch=128)
    backbone.fit(given, tmp_path)
    answers = log_probs(backbone, given, tmp_path, data.test())
    assert torch.isfinite(answers).all()
    torch.testing.assert_close(answers.exp().sum(dim=1), torch.ones(data.n_users, dtype=torch.float64))
    metrics = our_metrics(backbone, given, tmp_path, data.validation())
    assert metrics["hr@10"].mean() > 0.1
