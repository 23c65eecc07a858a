"""The alternating training of `idgenrec`: keywords first, then rounds of generator, new IDs, recommender.

Each phase is a training of its own, in a subfolder that is kept until all phases are done, so an interrupted training
continues in the phase where it stopped. IDs are written once, before the phase that first uses them.
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mindrec_bench.core.backbone import FitReport, Task, Tracker
from mindrec_bench.core.dataset import Examples, Histories
from mindrec_bench.core.loss_curve import LossCurve, LossPoint

from ..training import trainer, weights
from ..training.config import TrainingConfig
from .network import IdGenRecNetwork, PhaseKind
from .subword_tokenizer import SubwordTokenizer
from .unique_ids import assign_unique_ids, read_ids, write_ids

logger = logging.getLogger(__name__)

IDS_FILE, PHASES_FOLDER = "ids.json", "phases"


@dataclass(frozen=True, eq=False)
class PhaseTracker:
    """Tells the phases of a training apart: names begin with that of the phase, and steps go on from the one before.

    Attributes:
        tracker: of the whole training.
        phase: a name.
        steps_before: of the phases before.
    """

    tracker: Tracker
    phase: str
    steps_before: int

    def log(self, values: Mapping[str, float], step: int) -> None:
        """See `Tracker.log`."""
        named = {f"{self.phase}/{name}": value for name, value in values.items()}
        self.tracker.log(named, self.steps_before + step)


@dataclass(frozen=True)
class Phase:
    """One phase of the training.

    Attributes:
        kind: what is trained.
        round: from 1; 0 for keywords.
        config: how it is trained.
        time_share: its part of the time limit, relative to the other phases.
    """

    kind: PhaseKind
    round: int
    config: TrainingConfig
    time_share: float

    @property
    def folder_name(self) -> str:
        """The name of its folder."""
        return f"{self.round}-{self.kind}"


def fit(
    network: IdGenRecNetwork, phases: Sequence[Phase], tokenizer: SubwordTokenizer, task: Task, folder: Path
) -> FitReport:
    """Train in phases, and leave the weights and the last IDs in `folder`.

    Args:
        network: on the CPU, initialised from `task.seed`.
        phases: in order; new IDs are generated before each recommender phase and before the first generator phase.
        tokenizer: of the network's tokens.
        task: data, seed, device, time limit.
        folder: see `trainer.fit`.

    Raises:
        DataError, MrbenchError: see `trainer.fit`.
    """
    reports: list[FitReport] = []
    phases_folder = folder / PHASES_FOLDER
    with weights.explain_write_errors(folder):
        phases_folder.mkdir(parents=True, exist_ok=True)
        for index, phase in enumerate(phases):
            if phase.kind != "keywords":
                ids_round = phase.round - (phase.kind == "generator")
                ids_path = phases_folder / f"{ids_round}-{IDS_FILE}"
                generate_ids(network, ids_path, tokenizer, task)
            limited_task = phase_task(task, reports, phases[index:])
            if task.tracker is not None:
                tracker = PhaseTracker(task.tracker, phase.folder_name, sum(report.steps for report in reports))
                limited_task = dataclasses.replace(limited_task, tracker=tracker)
            reports.append(fit_phase(network, phase, limited_task, phases_folder))
        write_ids(folder / IDS_FILE, read_ids(ids_path, task.data.item_ids), task.data.item_ids, tokenizer)
        report = _combined_report(network, phases, reports)
        losses = _combined_losses(phases, phases_folder)
        state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
        weights.save_model(folder, task, state, report, losses)
        shutil.rmtree(phases_folder)
    return report


def generate_ids(network: IdGenRecNetwork, path: Path, tokenizer: SubwordTokenizer, task: Task) -> None:
    """Set the network's IDs to those at `path`; where there is no such file, the generator makes them first."""
    if not path.exists():
        logger.info("the generator writes the items' IDs")
        network.to(task.device).eval()
        # the vocabulary of a published T5 is larger than its tokenizer
        is_word_piece = np.zeros(network.generator.embedding.num_embeddings, dtype=bool)
        is_word_piece[: tokenizer.size] = tokenizer.is_word_piece
        ids = assign_unique_ids(network.generator, network.texts, torch.from_numpy(is_word_piece).to(task.device))
        write_ids(path, ids, task.data.item_ids, tokenizer)
    network.set_ids(read_ids(path, task.data.item_ids))


def fit_phase(network: IdGenRecNetwork, phase: Phase, task: Task, phases_folder: Path) -> FitReport:
    """Train one phase; a call after an interruption continues from its checkpoint."""
    logger.info(
        f"round {phase.round}: training the {phase.kind}" if phase.round else "training the generator on keywords"
    )
    network.set_phase(phase.kind)
    folder = phases_folder / phase.folder_name
    arguments: dict[str, Any] = {"train": _history_batch, "valid": _history_batch}
    if phase.kind == "keywords":
        n_items = task.data.n_items
        items = Examples(Histories(np.full((n_items, 1), -1), np.arange(n_items)), np.arange(n_items))
        arguments = {"train": _keyword_batch, "valid": _keyword_batch, "examples": (items, items)}
    report = trainer.fit(network, phase.config, task, folder, **arguments)
    weights.load_weights(folder, task, network)
    return report


def _history_batch(examples: Examples, keys: Any) -> dict[str, torch.Tensor]:
    return {"items": torch.from_numpy(examples.histories.items), "labels": torch.from_numpy(examples.targets)}


def _keyword_batch(examples: Examples, keys: Any) -> dict[str, torch.Tensor]:
    return {"labels": torch.from_numpy(examples.targets)}


def phase_task(task: Task, reports: Sequence[FitReport], remaining: Sequence[Phase]) -> Task:
    """The task of the first of the remaining phases: a seed for its round, and its share of the time that is left."""
    seed = (task.seed + remaining[0].round) % 2**32
    if task.max_minutes is None:
        return dataclasses.replace(task, seed=seed)
    minutes = task.max_minutes - sum(report.seconds for report in reports) / 60
    share = remaining[0].time_share / sum(phase.time_share for phase in remaining)
    return dataclasses.replace(task, seed=seed, max_minutes=max(minutes * share, 1e-3))


def _combined_report(network: IdGenRecNetwork, phases: Sequence[Phase], reports: Sequence[FitReport]) -> FitReport:
    """The report of all phases together; epochs and losses are those of the recommender, over all rounds."""
    recommender = [report for phase, report in zip(phases, reports, strict=True) if phase.kind == "recommender"]
    return FitReport(
        epochs=sum(report.epochs for report in recommender),
        steps=sum(report.steps for report in reports),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        seconds=sum(report.seconds for report in reports),
        valid_loss=tuple(loss for report in recommender for loss in report.valid_loss),
        under_trained=recommender[-1].under_trained,
        precision=recommender[-1].precision,
        train_loss=tuple(loss for report in recommender for loss in report.train_loss),
    )


def _combined_losses(phases: Sequence[Phase], phases_folder: Path) -> LossCurve:
    """The losses of the recommender over all rounds, as if they were one training."""
    points: list[LossPoint] = []
    for phase in phases:
        curve = LossCurve.read(phases_folder / phase.folder_name) if phase.kind == "recommender" else None
        if curve is not None:
            last = points[-1] if points else LossPoint(0, 0.0, 0.0)
            points += [
                point._replace(step=last.step + point.step, epoch=last.epoch + point.epoch) for point in curve.points
            ]
    return LossCurve(tuple(points))
