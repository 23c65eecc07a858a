"""Processes of a sweep."""

from __future__ import annotations

import logging

import pytest

from mindrec_bench.sweep.execute import local_executor


def test_runs_in_local_processes_are_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with local_executor(1) as executor:
        for name in ("mindrec_bench.io.manifest", "mindrec_baselines.llada", "another_library"):
            executor.submit(logging.getLogger(name).warning, name).result()
    assert capfd.readouterr().err == "another_library\n"
