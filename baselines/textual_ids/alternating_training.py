"""The alternating training of `idgenrec`: keywords, then rounds of generator, IDs, recommender.

Each phase is a training of its own (`training`), in a folder of its own until all are done, so an interrupted call
continues in the phase where it stopped. IDs are stored when they are made: no later phase makes them again.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.dataset import Examples, Histories

from ..training import trainer, weights
from ..training.trainer import Recipe
from .network import IdNetwork, Phase
from .subwords import Subwords, ended
from .unique_ids import read_ids, unique_ids, write_ids

IDS, PHASES = "ids.json", "phases"


@dataclass(frozen=True)
class Step:
    """One phase of the training.

    Attributes:
        phase: what learns.
        round: 0 before the first round.
        recipe: how.
        share: its part of the time, relative to the others'.
    """

    phase: Phase
    round: int
    recipe: Recipe
    share: float

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.round}-{self.phase}"


def fit(network: IdNetwork, steps: Sequence[Step], subwords: Subwords, task: Task, folder: Path) -> FitReport:
    """Train in steps; leave the weights and the last IDs in `folder`.

    Args:
        network: on the CPU, initialised from `task.seed`.
        steps: in order; before each recommender's, and the first of each round, IDs are made anew.
        subwords: what the network's tokens are.
        task: data, seed, device, time limit.
        folder: see `training.fit`.

    Raises:
        DataError, MrbenchError: see `training.fit`.
    """
    reports: list[FitReport] = []
    place = folder / PHASES
    with weights.explain_write_errors(folder):
        place.mkdir(parents=True, exist_ok=True)
        for at, step in enumerate(steps):
            if step.phase != "keywords":
                path = place / f"{step.round - (step.phase == 'generator')}-{IDS}"
                generate_ids(network, path, subwords, task)
            reports.append(_fit_step(network.enter(step.phase), step, _limited(task, reports, steps[at:]), place))
        write_ids(folder / IDS, read_ids(path, task.data.item_ids), task.data.item_ids, subwords)
        report = _total(network, steps, reports)
        state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
        weights.save(folder, task, state, report)
        shutil.rmtree(place)
    return report


def generate_ids(network: IdNetwork, path: Path, subwords: Subwords, task: Task) -> None:
    """Give the network the IDs that are stored at `path`; the generator writes them first where there are none."""
    if not path.exists():
        task.notify("the generator writes the items' IDs")
        network.to(task.device).eval()
        is_word_piece = np.zeros(network.generator.embedding.num_embeddings, dtype=bool)  # T5 has more rows than tokens
        is_word_piece[: subwords.size] = subwords.is_word_piece
        ids = unique_ids(network.generator, network.texts, torch.from_numpy(is_word_piece).to(task.device))
        write_ids(path, ids, task.data.item_ids, subwords)
    set_ids(network, read_ids(path, task.data.item_ids))


def set_ids(network: IdNetwork, ids: Sequence[tuple[int, ...]]) -> None:
    """Let the network write histories and targets in these IDs."""
    network.ids = torch.from_numpy(ended(ids)).to(network.ids.device)


def _fit_step(network: IdNetwork, step: Step, task: Task, place: Path) -> FitReport:
    task.notify(f"round {step.round}: the {step.phase}" if step.round else "the generator learns keywords")
    arguments: dict[str, Any] = {"train": _collate, "valid": _collate}
    if step.phase == "keywords":
        n_items = task.data.n_items
        items = Examples(Histories(np.full((n_items, 1), -1), np.arange(n_items)), np.arange(n_items))
        arguments = {"train": _keywords, "valid": _keywords, "examples": (items, items)}
    report = trainer.fit(network, step.recipe, task, place / step.name, **arguments)
    weights.load(place / step.name, task, network)
    return report


def _collate(examples: Examples, keys: Any) -> dict[str, torch.Tensor]:
    return {"items": torch.from_numpy(examples.histories.items), "labels": torch.from_numpy(examples.targets)}


def _keywords(examples: Examples, keys: Any) -> dict[str, torch.Tensor]:
    return {"labels": torch.from_numpy(examples.targets)}


def _limited(task: Task, done: Sequence[FitReport], left: Sequence[Step]) -> Task:
    """The task of the next step: another order in each round, and its share of the time that is left."""
    seed = (task.seed + left[0].round) % 2**32
    if task.max_minutes is None:
        return dataclasses.replace(task, seed=seed)
    minutes = task.max_minutes - sum(report.seconds for report in done) / 60
    share = left[0].share / sum(step.share for step in left)
    return dataclasses.replace(task, seed=seed, max_minutes=max(minutes * share, 1e-3))


def _total(network: IdNetwork, steps: Sequence[Step], reports: Sequence[FitReport]) -> FitReport:
    """All steps together; epochs and losses are the recommender's, over all rounds."""
    own = [report for step, report in zip(steps, reports, strict=True) if step.phase == "recommender"]
    return FitReport(
        epochs=sum(report.epochs for report in own),
        steps=sum(report.steps for report in reports),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        seconds=sum(report.seconds for report in reports),
        valid_loss=tuple(loss for report in own for loss in report.valid_loss),
        under_trained=own[-1].under_trained,
        precision=own[-1].precision,
    )
