"""The command `mrbench sweep`: grids of runs, of which the best options are chosen on the validation items."""

from __future__ import annotations

import json
import logging
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..distributed.torchrun import process_from_env
from ..errors import MrbenchError, UsageError
from ..experiment.config import ExecutionOptions
from .config_options import config_options
from .flags import FilePath, json_option

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ..sweep.execute import SweepProgress
    from ..sweep.plan import SweepPlan

logger = logging.getLogger(__name__)

EXECUTION = ("runs_dir", "data_dir", "device", "batch_size", "quiet")


@click.command()
@click.argument("file", metavar="FILE.toml", type=FilePath())
@click.option(
    "--executor",
    "executor_name",
    type=click.Choice(["local", "dask"]),
    default="local",
    show_default=True,
    help="Processes of this machine, or the workers of a running Dask cluster.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Number of local processes.")
@click.option("--scheduler", metavar="ADDRESS", help="Address of the Dask cluster, such as tcp://10.0.0.1:8786.")
@config_options(ExecutionOptions, only=EXECUTION, defaults={"quiet": False})
@json_option
def sweep(
    file: Path,
    executor_name: str,
    jobs: int,
    scheduler: str | None,
    as_json: bool,
    **execution: Any,
) -> None:
    """Run grids of options, choose the best on the validation items, and run these on the test items.

    \b
    [run]                          # flags of `mrbench run`, for every run
    decoder = "dbs-penalty"
    [[grid]]
    model = "llada"
    seed = [0, 1, 2]               # a list is an axis of the grid
    options.lr = [5e-4, 1e-3]      # options of the model: the best are chosen
    options.p_mask = [0.4, 0.6]

    Every run is stored in the run store: stored runs are not computed again, and a sweep that was stopped continues.
    """
    from ..sweep.execute import SweepProgress
    from ..sweep.plan import read_sweep

    if process_from_env() is not None:
        raise UsageError(
            "a sweep distributes its runs itself; start it without torchrun, with --jobs or --executor dask"
        )
    if (scheduler is None) == (executor_name == "dask"):
        raise UsageError("--executor dask and --scheduler ADDRESS go together; give both, or none")
    plan, progress = read_sweep(file, execution["data_dir"]), SweepProgress()
    # Workers elsewhere have another current folder.
    paths = {name: execution[name] and execution[name].absolute() for name in ("runs_dir", "data_dir")}
    options = ExecutionOptions(**{**execution, **paths, "quiet": True})
    with _open_executor(jobs, scheduler) as executor:
        try:
            _run(plan, options, executor, progress, execution["quiet"])
        finally:
            _print_results(plan, progress, as_json)
    n_failed = sum(bool(outcome.error) for outcome in progress.outcomes.values())
    if n_failed:
        raise MrbenchError(f"{n_failed} of {progress.total} runs of {file} failed; the same command tries them again")


def _open_executor(jobs: int, scheduler: str | None) -> AbstractContextManager[Executor]:
    from ..sweep.execute import dask_executor, local_executor

    return local_executor(jobs) if scheduler is None else dask_executor(scheduler)


def _run(
    plan: SweepPlan, execution: ExecutionOptions, executor: Executor, progress: SweepProgress, quiet: bool
) -> None:
    """All runs on the validation items, then those with the selected options on the test items."""
    from ..io.progress import ProgressBar
    from ..sweep.execute import SweepOutcome, run_all
    from ..sweep.results import select_options

    valid_configs = [run.config for run in plan.runs]
    progress.total = len(valid_configs)
    with ProgressBar(total=progress.total, unit=" runs", desc="sweep", disable=quiet) as bar:

        def on_outcome(outcome: SweepOutcome) -> None:
            bar.update()
            if outcome.error and not quiet:
                logger.warning(f"failed: {outcome.config.model} on {outcome.config.data}: {outcome.error}")

        run_all(valid_configs, execution, executor, progress, on_outcome)
        test_configs = [run.test_config for selected in select_options(plan, progress) for run in selected.runs]
        progress.total = bar.total = len(valid_configs) + len(test_configs)
        run_all(test_configs, execution, executor, progress, on_outcome)


def _print_results(plan: SweepPlan, progress: SweepProgress, as_json: bool) -> None:
    """Print the results so far; also called when the sweep is stopped."""
    from ..sweep.results import format_sweep, select_options, sweep_to_dict

    selected = select_options(plan, progress)
    if as_json:
        click.echo(json.dumps(sweep_to_dict(plan, selected, progress)))
    else:
        click.echo(format_sweep(plan, selected, progress))
