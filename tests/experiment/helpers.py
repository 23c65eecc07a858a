"""What the tests of runs share: small data, a fake trained model, and access to stored files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow.parquet as pq

from mindrec_bench.core.backbone import Backbone, FitReport
from mindrec_bench.testing import catalogue_model

USERS = 60
DATA = f"arts-sim:users={USERS},items=50"


def read_rankings(summary):
    return pq.ParquetFile(Path(summary["path"]) / "rankings.parquet").read()


def result_bytes(summary):
    """The bytes of a run's rankings and metrics."""
    return [(Path(summary["path"]) / name).read_bytes() for name in ("rankings.parquet", "metrics.parquet")]


@dataclass(frozen=True)
class FakeTrained(Backbone):
    """A model that is 'trained' into a file; every training gives other weights. Records its trainings."""

    trainings: ClassVar[list[bool]] = []
    capability: ClassVar[str] = "items"
    sizes: ClassVar[tuple[str, ...]] = ("tiny", "small")

    def with_size_defaults(self, size):
        return self

    def fit(self, task, folder):
        self.trainings.append(task.space.n_categories > 0)
        (folder / "weights").write_text(str(len(self.trainings)))
        return FitReport(1.0, 10, 3, 0.1, (1.5, 1.25), under_trained=True)

    def load(self, task, folder):
        rng = np.random.default_rng(int((folder / "weights").read_text()))
        return catalogue_model(rng.random((task.data.n_users, task.data.n_items)))
