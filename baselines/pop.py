"""`pop`: the most popular items, the same for every user (docs/semantics.md, Simple baselines).

p(item) is the item's count in the training parts divided by the sum of all counts; histories are ignored.

    mrbench run --model pop --decoder rank-items --data arts
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindrec_bench.core.backbone import Task
from mindrec_bench.core.code_space import Int

from .common.untrained import Float, UntrainedBackbone, UntrainedModel, log_probabilities, popularity


@dataclass(frozen=True)
class Pop(UntrainedBackbone):
    """Popularity: training counts of the items, the same for every user."""

    def load(self, task: Task, folder: Path) -> UntrainedModel:
        """Count the items of the training parts."""
        item_log_probs = log_probabilities(popularity(task.data))

        def log_probs(items: Int) -> Float:
            return np.repeat(item_log_probs[None], len(items), axis=0)

        return UntrainedModel(log_probs, task.device)
