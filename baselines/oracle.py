"""`oracle`: the true next-item distribution of a simulation.

No model can do better, so what a decoder loses on it is search error.

    mrbench run --model oracle --decoder rank-items --data arts-sim
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mindrec_bench.core.backbone import Task
from mindrec_bench.errors import UsageError

from .common.items import ItemModel, Untrained


@dataclass(frozen=True)
class Oracle(Untrained):
    """The true distribution p* that made a simulated data set."""

    def load(self, task: Task, folder: Path) -> ItemModel:
        """Take p* from the data set.

        Raises:
            UsageError: the data set is not a simulation.
        """
        if task.data.simulation is None:
            raise UsageError(
                f"model 'oracle' needs data whose true distribution is known, and '{task.data.name}' is not simulated; "
                "run it with --data arts-sim"
            )
        return ItemModel(task.data.simulation.log_probs, task.device)
