"""Make the runs that tables lack (`mrbench table --run-missing`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ...errors import MrbenchError, attempt_all
from ...experiment.config import ExecutionOptions, ExperimentConfig
from ...experiment.run import run_experiment
from .table import Table

logger = logging.getLogger(__name__)


def make_missing_runs(tables: Sequence[Table], execution: ExecutionOptions) -> int:
    """Make each run that would fill an empty cell, once; a run that fails leaves its cell empty.

    Logs each command before it runs, and at the end those that failed. Rankings made elsewhere are left
    out, since only the user has their file.

    Args:
        tables: the tables with empty cells.
        execution: how to run.

    Returns:
        The highest exit code of the runs that failed, or 0.
    """
    configs: dict[str, ExperimentConfig] = {}
    for table in tables:
        for row in table.rows:
            configs |= row.missing_configs
    failures: dict[str, MrbenchError] = {}

    def make(command: str) -> None:
        logger.info(command)
        run_experiment(configs[command], execution)

    exit_code = attempt_all(configs, make, failures.__setitem__)
    for command, failure in failures.items():
        logger.warning(f"failed: {command}: {failure}")
    return exit_code
