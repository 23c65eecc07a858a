"""The test process is warm before it forks; at the end each test says what was tried, survived and named."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator

import pytest

import mindrec_bench
import mindrec_decoders

FOREIGN = (
    *("filelock", "pandas", "pyarrow.csv", "pyarrow.parquet", "pydantic.dataclasses", "scipy.stats", "sklearn.cluster"),
    *("sklearn.decomposition", "sklearn.feature_extraction.text", "matplotlib.pyplot", "tabulate"),
    *("mindrec_baselines.esasrec", "mindrec_baselines.llada", "mindrec_baselines.markov", "mindrec_baselines.pop"),
    *("mindrec_baselines.training.trainer", "transformers", "encodings.utf_8_sig", "importlib.readers"),
)


@pytest.fixture(scope="session")
def warm() -> None:
    """Import what commands import when they run; nothing is computed, so that no thread is lost in a fork."""
    for package in (mindrec_bench, mindrec_decoders):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(("__main__", "penalty_kernel")):  # which needs Triton
                importlib.import_module(module.name)
    for name in FOREIGN:
        importlib.import_module(name)


@pytest.fixture
def tally(request, capsys) -> Iterator[Counter[str]]:
    """Counts of `tried`, `survived` and `named`, printed at the end."""
    counts: Counter[str] = Counter()
    yield counts
    with capsys.disabled():
        words = ", ".join(f"{counts[name]:,} {name}" for name in ("tried", "survived", "named"))
        print(f"\n{request.node.name}: {words}")
