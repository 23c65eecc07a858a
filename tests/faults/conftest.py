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

_TALLIES: dict[str, dict[str, int]] = {}
"""Name of a test -> its counts."""


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
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Counts of `tried`, `survived` and `named`, for the summary."""
    counts: Counter[str] = Counter()
    yield counts
    request.node.user_properties.append(("tally", dict(counts)))  # which reports carry to the process that prints


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the counts of a test that has ended."""
    if report.when == "teardown":
        _TALLIES.update(
            (report.nodeid.rpartition("::")[2], counts) for name, counts in report.user_properties if name == "tally"
        )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was tried, survived and named, of each test and in all."""
    if not _TALLIES:
        return
    terminalreporter.section("tried, survived, named")
    for name, counts in [*sorted(_TALLIES.items()), ("in all", sum(map(Counter, _TALLIES.values()), Counter()))]:
        words = ", ".join(f"{counts.get(key, 0):,} {key}" for key in ("tried", "survived", "named"))
        terminalreporter.write_line(f"{name}: {words}")
