"""Make the runs that tables lack (`mrbench table --run-missing`)."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from ...errors import MrbenchError
from ...experiment.config import ExecutionOptions, ExperimentConfig
from ...experiment.run import run_experiment
from .table import Table


def make_missing_runs(tables: Sequence[Table], execution: ExecutionOptions) -> None:
    """Make each run that would fill an empty cell, once; a run that fails leaves its cell empty.

    Rankings made elsewhere are left out, since only the user has their file. Each run gets a new process, so that its
    peak memory is its own.

    Args:
        tables: the tables with empty cells.
        execution: how to run. `notify` gets each command before it runs, and at the end those that failed; it must be
            picklable.
    """
    configs: dict[str, ExperimentConfig] = {}
    for table in tables:
        for row in table.rows:
            configs |= row.missing_configs
    failures = {}
    for command, config in configs.items():
        execution.notify(command)
        if error := _run_in_new_process(config, execution):
            failures[command] = error
    for command, error in failures.items():
        execution.notify(f"failed: {command}: {error}")


def _run_in_new_process(config: ExperimentConfig, execution: ExecutionOptions) -> str:
    """Make one run; returns why it failed, or ''."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        try:
            return executor.submit(_try_run, config, execution).result()
        except BrokenProcessPool:
            return "its process was killed (out of memory?)"


def _try_run(config: ExperimentConfig, execution: ExecutionOptions) -> str:
    try:
        run_experiment(config, execution)
    except MrbenchError as error:
        return str(error)
    except Exception as error:
        return f"unexpected error: {error!r}"
    return ""
