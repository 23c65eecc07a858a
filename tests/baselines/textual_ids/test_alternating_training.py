"""The training of `idgenrec`: what each phase trains, which IDs are stored, how it continues, what it leaves."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mindrec_baselines.idgenrec import IdGenRec
from mindrec_baselines.textual_ids import alternating_training
from mindrec_baselines.textual_ids.network import IdGenRecNetwork
from mindrec_baselines.training import trainer
from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.errors import DataError

from .small_models import SHORT

PHASES = ["keywords", "generator", "recommender", "generator", "recommender"]


@dataclasses.dataclass
class Fit:
    """One training.

    Attributes:
        folder: the model's.
        report: of `fit`.
        weights: before the first phase, and after each phase.
    """

    folder: Path
    report: FitReport
    weights: list[dict[str, Tensor]]


@pytest.fixture(scope="module")
def fitted(text_task: Task, tmp_path_factory: pytest.TempPathFactory) -> Fit:
    folder, weights = tmp_path_factory.mktemp("idgenrec"), list[dict[str, Tensor]]()
    plain_fit_phase = alternating_training.fit_phase

    def recording(network: IdGenRecNetwork, *arguments: Any) -> FitReport:
        if not weights:
            weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        report = plain_fit_phase(network, *arguments)
        weights.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alternating_training, "fit_phase", recording)
        report = SHORT.fit(text_task, folder)
    return Fit(folder, report, weights)


def file_contents(folder: Path) -> dict[str, bytes]:
    """All files; `model.json` without the time that training took."""
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    model = json.loads(files["model.json"])
    del model["report"]["seconds"]
    return files | {"model.json": json.dumps(model).encode()}


def test_phases_alternate_between_the_networks(fitted: Fit) -> None:
    assert len(fitted.weights) == 1 + len(PHASES)
    for phase, before, after in zip(PHASES, fitted.weights, fitted.weights[1:], strict=False):
        changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
        assert changed == {"recommender" if phase == "recommender" else "generator"}


def test_files_and_report(fitted: Fit, text_task: Task) -> None:
    names = {"ids.json", "losses.csv", "model.json", "t5.json", "tokenizer.json", "weights.safetensors"}
    assert {path.name for path in fitted.folder.iterdir()} == names
    assert fitted.report.epochs == 2, "the recommender's, over both rounds"
    assert len(fitted.report.valid_loss) == len(fitted.report.train_loss) == 2
    assert fitted.report.precision == ("bf16" if trainer.use_bf16("cpu", IdGenRec.cpu_bf16) else "float32")
    n_examples = len(text_task.data.train_examples())
    assert fitted.report.steps == 4 * 1 + 4 * -(-n_examples // 64), "24 items are one batch; then two rounds of two"
    assert fitted.report.parameters == sum(tensor.numel() for tensor in fitted.weights[0].values())


def test_every_item_has_a_different_id(fitted: Fit, text_task: Task) -> None:
    ids = json.loads((fitted.folder / "ids.json").read_text())
    assert list(ids) == text_task.data.item_ids
    assert len({tuple(entry["tokens"]) for entry in ids.values()}) == text_task.data.n_items
    assert all(entry["id"] for entry in ids.values())
    model = IdGenRec().load(text_task, fitted.folder)
    for item, entry in enumerate(ids.values()):
        numbers = model.code_space.to_numbers(model.code_space.item_codes[item], model.code_space.sid_slots)
        assert [number for number in numbers if number >= 0] == entry["tokens"]
        assert numbers[-1] == -1, "the last slot is after the end of the longest ID"
    assert model.code_space.find(model.code_space.item_codes).tolist() == list(range(text_task.data.n_items))


def test_an_interrupted_training_ends_with_the_same_bits(
    fitted: Fit, text_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before the generator phase of the second round; IDs and weights depend on the seed alone."""
    calls = []
    fit = trainer.fit

    def interrupted(*arguments: Any, **options: Any) -> FitReport:
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fit(*arguments, **options)

    monkeypatch.setattr(trainer, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        SHORT.fit(text_task, tmp_path)
    assert not (tmp_path / "model.json").exists()
    report = SHORT.fit(text_task, tmp_path)
    assert file_contents(tmp_path) == file_contents(fitted.folder)
    assert report.valid_loss == fitted.report.valid_loss
    n_calls = len(calls)
    assert SHORT.fit(text_task, tmp_path) == report
    assert len(calls) == n_calls, "a finished training is not repeated"


def test_the_time_limit_is_shared_among_the_remaining_phases(text_task: Task) -> None:
    phases = IdGenRec(rounds=2).with_size_defaults("tiny").phases("tiny")
    assert [phase.kind for phase in phases] == PHASES
    assert [phase.config.lr for phase in phases] == [3e-3, 1e-8, 3e-3, 1e-8, 3e-3]
    limited = dataclasses.replace(text_task, max_minutes=11.0)
    first = alternating_training.phase_task(limited, [], phases)
    assert first.max_minutes == pytest.approx(1.0), "1 + 1 + 4 + 1 + 4 shares"
    reports = [FitReport(1.0, 1, 1, seconds=30.0)]
    second = alternating_training.phase_task(limited, reports, phases[1:])
    assert second.max_minutes == pytest.approx(10.5 / 10)
    assert (first.seed, second.seed) == (text_task.seed, text_task.seed + 1)


@pytest.mark.parametrize("missing", ["t5.json", "ids.json"])
def test_load_refuses_an_incomplete_folder(fitted: Fit, text_task: Task, tmp_path: Path, missing: str) -> None:
    for path in fitted.folder.iterdir():
        if path.name != missing:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=f"{missing} is missing"):
        IdGenRec().load(text_task, tmp_path)
