"""A fitted SASRec."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindrec_bench.core.backbone import FitReport, Task
from mindrec_bench.core.dataset import Dataset

from .helpers import SHORT, make_task


@pytest.fixture(scope="module")
def fitted(recbole: None, walks: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Task, Path, FitReport]:
    """The task, the folder and the report of a fit of `SHORT`."""
    folder = tmp_path_factory.mktemp("sasrec")
    return make_task(walks), folder, SHORT.fit(make_task(walks), folder)
