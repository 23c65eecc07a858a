"""`pop`: every user is shown the most popular items (semantics: simple baselines come first).

p(item) = its count in the training parts over the sum of all counts. Histories are not looked at.

    mrbench run --model pop --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import Int

from .common.items import Float, ItemModel, Untrained, log, popularity


@dataclass(frozen=True)
class Pop(Untrained):
    """Popularity: training counts of the items, the same for every user."""

    def load(self, task: Task, folder: Path) -> ItemModel:
        """Count the items of the training parts."""
        log_popular = log(popularity(task.data))

        def log_probs(items: Int) -> Float:
            return np.repeat(log_popular[None], len(items), axis=0)

        return ItemModel(log_probs, task.device)
