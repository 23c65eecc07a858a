"""Keep the runs behind tables in a small run store (`mrbench table --archive`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...distributed.processes import silent
from ...stats.diversity_tests import DIVERSITY_METRICS
from ...store.run_folder import RunFolder
from ...store.runs import Run
from .table import Table


def archive_runs(tables: Sequence[Table], runs: Mapping[str, Run], target: Path) -> list[Path]:
    """Store the runs behind tables compactly, those of tables with Entropy or TTR with the counts of their codes.

    A run that the target has already stays as it is, unless it lacks codes that are wanted now.

    Args:
        tables: the tables.
        runs: id -> run, of all that the tables were filled from.
        target: the run store to write to.

    Returns:
        The folders of all these runs in the target.

    Raises:
        DataError: a file of a run is damaged, missing, or can't be read.
        MrbenchError: a write failed.
    """
    with_codes: dict[str, bool] = {}
    for table in tables:
        diverse = any(metric in DIVERSITY_METRICS for metric in table.spec.metrics)
        for run in (run for row in table.rows for ids in row.runs.values() for run in ids):
            with_codes[run] = with_codes.get(run, False) or diverse
    return [_archive(runs[run], target, with_codes=wanted) for run, wanted in with_codes.items()]


@silent()  # the command says where the archive is
def _archive(run: Run, target: Path, *, with_codes: bool) -> Path:
    folder = RunFolder(run.spec, target)
    with folder.lock(wait=True):
        stored = folder.load_run()
        gains_codes = with_codes and stored is not None and set(stored.summary.lacks) > set(run.summary.lacks)
        if stored is None or gains_codes:
            folder.store_compact(run, with_codes=with_codes)
    return folder.path
