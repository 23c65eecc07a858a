"""The training of `idgenrec`: what learns when, IDs that stay, what is left."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mindrec_baselines.idgenrec import PUBLISHED, IdGenRec
from mindrec_baselines.textual_ids import alternating_training
from mindrec_baselines.textual_ids.network import IdNetwork
from mindrec_baselines.training import trainer
from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.dataset import Dataset
from mindrec_bench.errors import DataError
from mindrec_bench.experiment.config import ExperimentConfig
from mindrec_bench.experiment.resolve import resolve_config
from mindrec_bench.experiment.run import ExecutionOptions, run_experiment

from ..causal import task
from .drawn import SHORT

STEPS = ["keywords", "generator", "recommender", "generator", "recommender"]


@dataclasses.dataclass
class Fitted:
    folder: Path
    report: FitReport
    weights: list[dict[str, Tensor]]
    """Before the first phase, and after each."""


@pytest.fixture(scope="module")
def fitted(given: Task, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """One training, watched."""
    folder, weights = tmp_path_factory.mktemp("idgenrec"), list[dict[str, Tensor]]()
    step = alternating_training._fit_step

    def watched(network: IdNetwork, *rest: Any) -> FitReport:
        if not weights:
            weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        report = step(network, *rest)
        weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alternating_training, "_fit_step", watched)
        report = SHORT.fit(given, folder)
    return Fitted(folder, report, weights)


def content(folder: Path) -> dict[str, bytes]:
    """All files; `model.json` without the time that training took."""
    found = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    card = json.loads(found["model.json"])
    del card["report"]["seconds"]
    return found | {"model.json": json.dumps(card).encode()}


def test_rounds_alternate_what_learns(fitted: Fitted) -> None:
    assert len(fitted.weights) == 1 + len(STEPS)
    for step, before, after in zip(STEPS, fitted.weights, fitted.weights[1:], strict=False):
        changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
        assert changed == {"recommender" if step == "recommender" else "generator"}


def test_what_is_left(fitted: Fitted, data: Dataset) -> None:
    names = {"ids.json", "model.json", "t5.json", "tokenizer.json", "weights.safetensors"}
    assert {path.name for path in fitted.folder.iterdir()} == names
    assert fitted.report.epochs == 2, "the recommender's, over both rounds"
    assert len(fitted.report.valid_loss) == 2
    assert fitted.report.precision == ("bf16" if trainer._bf16("cpu", IdGenRec.cpu_bf16) else "float32")
    n_examples = len(data.train_examples())
    assert fitted.report.steps == 4 * 1 + 4 * -(-n_examples // 64), "24 items are one batch; then two rounds of two"
    assert fitted.report.parameters == sum(tensor.numel() for tensor in fitted.weights[0].values())


def test_every_item_has_an_id_of_its_own(fitted: Fitted, given: Task) -> None:
    ids = json.loads((fitted.folder / "ids.json").read_text())
    assert list(ids) == given.data.item_ids
    assert len({tuple(entry["tokens"]) for entry in ids.values()}) == given.data.n_items
    assert all(entry["id"] for entry in ids.values())
    model = IdGenRec().load(given, fitted.folder)
    for item, entry in enumerate(ids.values()):
        numbers = model.code_space.to_numbers(model.code_space.item_codes[item], model.code_space.sid_slots)
        assert [number for number in numbers if number >= 0] == entry["tokens"]
        assert numbers[-1] == -1, "the last slot says that the longest ID is over"
    assert model.code_space.find(model.code_space.item_codes).tolist() == list(range(given.data.n_items))


def test_an_interrupted_training_ends_with_the_same_bits(
    fitted: Fitted, given: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before the second round's generator; so IDs and weights are a matter of the seed, too."""
    calls = []
    fit = trainer.fit

    def stops(*arguments: Any, **rest: Any) -> FitReport:
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fit(*arguments, **rest)

    monkeypatch.setattr(trainer, "fit", stops)
    with pytest.raises(KeyboardInterrupt):
        SHORT.fit(given, tmp_path)
    assert not (tmp_path / "model.json").exists()
    report = SHORT.fit(given, tmp_path)
    assert content(tmp_path) == content(fitted.folder)
    assert report.valid_loss == fitted.report.valid_loss
    n_calls = len(calls)
    assert SHORT.fit(given, tmp_path) == report
    assert len(calls) == n_calls, "nothing is left to do"


def test_time_is_shared_among_the_phases_that_are_left(given: Task) -> None:
    steps = IdGenRec(rounds=2).with_size_defaults("tiny")._steps("tiny")
    assert [step.phase for step in steps] == STEPS
    assert [step.recipe.lr for step in steps] == [3e-3, 1e-8, 3e-3, 1e-8, 3e-3]
    limited = dataclasses.replace(given, max_minutes=11.0)
    first = alternating_training._limited(limited, [], steps)
    assert first.max_minutes == pytest.approx(1.0), "1 + 1 + 4 + 1 + 4 shares"
    used = [FitReport(1.0, 1, 1, seconds=30.0)]
    second = alternating_training._limited(limited, used, steps[1:])
    assert second.max_minutes == pytest.approx(10.5 / 10)
    assert (first.seed, second.seed) == (given.seed, given.seed + 1)


def test_sizes(given: Task) -> None:
    assert IdGenRec().with_size_defaults("small").lr == IdGenRec().with_size_defaults(PUBLISHED).lr == 1e-3
    assert (IdGenRec().rounds, IdGenRec().generator_lr, IdGenRec().generator_epochs) == (3, 1e-8, 1)
    assert IdGenRec().with_size_defaults(PUBLISHED).epochs == IdGenRec().with_size_defaults("small").epochs == 10
    assert IdGenRec().with_size_defaults(PUBLISHED).checkpoint == "t5-small"
    assert IdGenRec().auto_size(simulation=True, device="cpu")[0] == "tiny"
    assert IdGenRec().auto_size(simulation=False, device="cuda")[0] == "small"
    for name in ("rounds", "keywords", "reach", "keyword_epochs", "generator_epochs", "generator_lr"):
        with pytest.raises(ValueError, match=f"{name} is 0"):
            IdGenRec(**{name: 0})


def test_data_without_texts_is_refused(chain: Callable[..., Dataset], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no item of chain has a title or a description; add them to chain.item.json"):
        SHORT.fit(task(chain(users=30)), tmp_path)


def test_public_data_has_no_titles(real_data: Path, tmp_path: Path) -> None:
    """It says so before anything is written."""
    asked = ExperimentConfig("idgenrec", "ar-beam", data="instruments", constrain="catalogue")
    with pytest.raises(DataError, match="model 'idgenrec' reads what items are called, and no item of Instruments has"):
        run_experiment(asked, ExecutionOptions(runs_dir=tmp_path / "runs", data_dir=real_data, device="cpu"))
    assert not (tmp_path / "runs").exists()


def test_a_damaged_folder(fitted: Fitted, given: Task, tmp_path: Path) -> None:
    for name, message in (("t5.json", "t5.json is missing"), ("ids.json", "ids.json is missing")):
        folder = tmp_path / name
        folder.mkdir()
        for path in fitted.folder.iterdir():
            if path.name != name:
                (folder / path.name).write_bytes(path.read_bytes())
        with pytest.raises(DataError, match=message):
            IdGenRec().load(given, folder)


def test_one_process_trains_whatever_decodes():
    """Its phases hand weights on in files, so several processes would read what is not written yet."""
    asked = ExperimentConfig("idgenrec", "ar-beam", data="arts-sim:users=20,items=50", train_devices=2)
    resolved = resolve_config(asked)
    spec = resolved.spec(resolved.source.load(None, users=None, notify=pytest.fail))
    assert spec.train_devices == 1
