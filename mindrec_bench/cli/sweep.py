"""`mrbench sweep`: grids of runs, the best options chosen on the validation items."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..distributed.torchrun import process_from_env
from ..errors import MrbenchError, UsageError
from .flags import data_dir_option, json_option, notify, runs_option

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ..experiment.config import ExecutionOptions
    from ..sweep.execute import Progress
    from ..sweep.plan import Sweep


@click.command()
@click.argument("file", metavar="FILE.toml", type=click.Path(path_type=Path))
@click.option(
    "--executor",
    "where",
    type=click.Choice(["local", "dask"]),
    default="local",
    show_default=True,
    help="Processes of this machine, or the workers of a running Dask cluster.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Local processes at a time.")
@click.option("--scheduler", metavar="ADDRESS", help="Of the Dask cluster, such as tcp://10.0.0.1:8786.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--batch-size", type=int, default=128, show_default=True, help="Users decoded together, at most 512.")
@data_dir_option
@runs_option
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@json_option
def sweep(
    file: Path,
    where: str,
    jobs: int,
    scheduler: str | None,
    device: str,
    batch_size: int,
    data_dir: Path | None,
    runs_dir: Path,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run grids of options, choose on the validation items, run the chosen on the test items.

    \b
    [run]                          # flags of `mrbench run`, for every cell
    decoder = "dbs-penalty"
    [[grid]]
    model = "llada"
    seed = [0, 1, 2]               # a list is an axis
    options.lr = [5e-4, 1e-3]      # options of the model: what is chosen
    options.p_mask = [0.4, 0.6]

    Cells are runs of the run store: what is there is not computed again, and a sweep that was stopped continues.
    """
    from ..experiment.config import ExecutionOptions
    from ..sweep.execute import Progress
    from ..sweep.plan import read_sweep

    if process_from_env() is not None:
        raise UsageError(
            "a sweep shares its cells out itself; start it without torchrun, with --jobs or --executor dask"
        )
    if (scheduler is None) == (where == "dask"):
        raise UsageError("--executor dask and --scheduler ADDRESS go together; give both, or none")
    plan, progress = read_sweep(file, data_dir), Progress()
    setup = ExecutionOptions(runs_dir.absolute(), data_dir and data_dir.absolute(), device, batch_size)
    with _executor(jobs, scheduler) as executor:
        try:
            _run(plan, setup, executor, progress, quiet)
        finally:
            _show(plan, progress, as_json)
    failed = sum(bool(outcome.error) for outcome in progress.outcomes.values())
    if failed:
        raise MrbenchError(f"{failed} of {progress.total} cells of {file} failed; the same command tries them again")


def _executor(jobs: int, scheduler: str | None) -> AbstractContextManager[Executor]:
    from ..sweep.execute import dask, local

    return local(jobs) if scheduler is None else dask(scheduler)


def _run(plan: Sweep, setup: ExecutionOptions, executor: Executor, progress: Progress, quiet: bool) -> None:
    """The cells on the validation items, then the chosen ones on the test items."""
    from tqdm import tqdm

    from ..sweep.choice import choose
    from ..sweep.execute import Outcome, run_all

    valid = [cell.question for cell in plan.cells]
    progress.total = len(valid)
    with tqdm(total=progress.total, unit=" cells", desc="sweep", disable=quiet) as bar:

        def told(outcome: Outcome) -> None:
            bar.update()
            if outcome.error and not quiet:
                notify(f"failed: {outcome.question.model} on {outcome.question.data}: {outcome.error}")

        run_all(valid, setup, executor, progress, told)
        test = [cell.test for choice in choose(plan, progress) for cell in choice.best]
        progress.total = bar.total = len(valid) + len(test)
        run_all(test, setup, executor, progress, told)


def _show(plan: Sweep, progress: Progress, as_json: bool) -> None:
    """What came of it; also when it was stopped."""
    from ..sweep.choice import as_object, choose, to_text

    choices = choose(plan, progress)
    text = json.dumps(as_object(plan, choices, progress)) if as_json else to_text(plan, choices, progress)
    click.echo(text)
