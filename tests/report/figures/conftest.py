"""A small figure with two datasets, one of which lacks a point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mindrec_bench.report.figures.figure import Figure, build_figure
from mindrec_bench.report.table_spec import TableSpec
from mindrec_bench.report.table_spec_io import parse_table_spec

from .figure_files import HEAD, point_row

Runs = list[dict[str, Any]]


@pytest.fixture
def spec() -> TableSpec:
    rows = "".join(point_row(decay, x=decay) for decay in (0.5, 0.2, 0.8))
    return parse_table_spec(HEAD + rows, "mine", "mine.toml")


@pytest.fixture
def runs(store_run: Callable[..., dict[str, Any]]) -> Runs:
    """Arts has all points, Games lacks the middle one."""
    stored = [("arts", 0.2), ("arts", 0.5), ("arts", 0.8), ("games", 0.2), ("games", 0.8)]
    return [
        store_run(f"markov:decay={decay}", "bs", data=data, hit=decay, noise=i, speed=100 * decay)
        for i, (data, decay) in enumerate(stored)
    ]


@pytest.fixture
def figure(spec: TableSpec, runs: Runs) -> Figure:
    return build_figure(spec, runs, resamples=200)
