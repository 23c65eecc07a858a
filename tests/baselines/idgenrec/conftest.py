"""Data with titles, and a size that is quick."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mindrec_baselines.idgenrec import SHAPES
from mindrec_bench.core.backbone import Task
from mindrec_bench.core.dataset import Dataset

from ..causal import task
from ..titled import titled
from .drawn import save_t5


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """The size `tiny`, but narrower still."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SHAPES, "tiny", {"layers": 1, "hidden": 16, "inner": 32, "key": 8, "heads": 2})
        yield


@pytest.fixture(scope="module")
def data(chain: Callable[..., Dataset]) -> Dataset:
    return titled(chain(users=30))


@pytest.fixture(scope="module")
def given(data: Dataset) -> Task:
    return task(data)


@pytest.fixture(scope="module")
def checkpoint(given: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny T5 with random weights, in the files that published ones have."""
    return save_t5(tmp_path_factory.mktemp("t5"), given)
