"""`oracle`: the true next-item distribution of a simulation.

No model can be better, so what a decoder loses on it is search error.

    mrbench run --model oracle --decoder rank-items --data arts-sim
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mindrec_bench.core.backbone import Task

from .common.untrained import UntrainedBackbone, UntrainedModel


@dataclass(frozen=True)
class Oracle(UntrainedBackbone):
    """The true distribution p* from which a simulated dataset was drawn."""

    needs_simulation = True

    def load(self, task: Task, folder: Path) -> UntrainedModel:
        """Take p* from the dataset, a simulation."""
        assert task.data.simulation is not None, "see `needs_simulation`"
        return UntrainedModel(task.data.simulation.log_probs, task.device)
