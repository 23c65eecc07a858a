"""Execute the runs of a sweep, on processes of this machine or on a Dask cluster (both are standard executors).

The run store's locks keep two processes from computing the same run or fitting the same model, and finished runs and
fitted models are reused. So a sweep that is stopped continues when it is repeated.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..distributed.processes import blocked_interrupts, end_with_parent, noop
from ..errors import MrbenchError, UsageError
from ..experiment.config import ExecutionOptions, ExperimentConfig
from ..experiment.run import run_experiment
from ..plugins.messages import discard_messages


@dataclass(frozen=True)
class SweepOutcome:
    """The outcome of one run.

    Attributes:
        config: the experiment.
        run: id of the run; None if it failed.
        metrics: of the run.
        error: the reason of the failure, one sentence.
        reused: the run was stored already.
    """

    config: ExperimentConfig
    run: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    reused: bool = False


@dataclass
class SweepProgress:
    """The outcomes so far; shown when the sweep ends or is stopped.

    Attributes:
        outcomes: outcome of each run that is done.
        total: number of runs.
    """

    outcomes: dict[ExperimentConfig, SweepOutcome] = field(default_factory=dict)
    total: int = 0


def try_run(config: ExperimentConfig, execution: ExecutionOptions) -> SweepOutcome:
    """Run one experiment in this process; a failure becomes an outcome too."""
    try:
        result = run_experiment(config, execution)
    except MrbenchError as error:
        return SweepOutcome(config, error=str(error))
    except Exception as error:
        return SweepOutcome(config, error=f"unexpected error: {error!r}")
    return SweepOutcome(config, result.run.id, result.run.summary.metrics, reused=result.reused)


@contextmanager
def local_executor(jobs: int) -> Iterator[Executor]:
    """Up to `jobs` processes of this machine, which end with the block and with this process, however it ends."""
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=start_worker)
    try:
        with blocked_interrupts():  # Ctrl-C reaches the workers too, and this process ends them
            executor.submit(noop, None)  # which starts all of them
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.kill()  # what it has written is whole; a run that is not finished is continued


def start_worker() -> None:
    """Called in each process of `local_executor` before its first run."""
    discard_messages()
    end_with_parent()


@contextmanager
def dask_executor(scheduler: str) -> Iterator[Executor]:
    """The workers of a running Dask cluster; they need this package, the data, and the folder of the run store.

    Raises:
        UsageError: Dask is not installed, or no scheduler answers at the address.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "--executor dask needs Dask: pip install -c constraints.txt 'mindrec-bench[dask]', or leave it out"
        ) from error
    try:
        client = Client(scheduler, timeout="10s")
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {scheduler}; check --scheduler and that it runs") from error
    with client:
        yield client.get_executor(pure=False)


def run_all(
    configs: Sequence[ExperimentConfig],
    execution: ExecutionOptions,
    executor: Executor,
    progress: SweepProgress,
    on_outcome: Callable[[SweepOutcome], None] = lambda outcome: None,
) -> None:
    """Run all experiments that have no outcome in `progress` yet, in any order, and add their outcomes.

    Raises:
        MrbenchError: a process died; outcomes so far are in `progress`, and finished runs in the run store.
    """
    futures = {
        executor.submit(try_run, config, execution): config for config in configs if config not in progress.outcomes
    }
    for future in as_completed(futures):
        try:
            outcome = future.result()
        except BrokenProcessPool as error:
            raise MrbenchError(
                "a process of the sweep was killed (out of memory?); the same command continues the sweep; use fewer "
                "--jobs if memory is short"
            ) from error
        except Exception as error:  # a Dask worker that was lost too often, or can't import this package
            outcome = SweepOutcome(futures[future], error=f"the worker failed: {error!r}")
        progress.outcomes[futures[future]] = outcome
        on_outcome(outcome)
