"""Tasks, probabilities and metrics of RecBole's models."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch

from mindrec_baselines.recbole_backend.backbone import RecBoleBackbone
from mindrec_baselines.sasrec import SasRec
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset, Examples
from mindrec_bench.metrics.lists import Catalogue, score_lists
from mindrec_bench.testing import make_canvas
from mindrec_decoders.rank_items import RankItems

SHORT = SasRec(epochs=3, batch=128, lr=3e-3)
SLOTS = (0, 1, 2, 3)


def make_task(data: Dataset, **changes: object) -> Task:
    task = Task(data, data.space(categories=False), size="tiny", quiet=True)
    return dataclasses.replace(task, **changes)  # type: ignore[arg-type]


def log_probs(backbone: RecBoleBackbone, task: Task, folder: Path, examples: Examples) -> torch.Tensor:
    return backbone.load(task, folder).begin(examples.histories, SLOTS).log_probs()


def user_metrics(backbone: RecBoleBackbone, task: Task, folder: Path, examples: Examples) -> dict[str, np.ndarray]:
    """The per-user metrics of `rank-items`."""
    context = backbone.load(task, folder).begin(examples.histories, SLOTS)
    ranking = RankItems().decode(
        context, make_canvas(task.space, examples.histories.users, capability="items"), beam=10
    )
    catalogue = Catalogue(task.space, task.data.train_counts())
    return score_lists(ranking.codes.numpy(), examples.targets, catalogue)[0]
