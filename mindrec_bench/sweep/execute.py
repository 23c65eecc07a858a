"""Answer many questions, on this machine's processes or on a Dask cluster; both are executors of the standard library.

Cells share fitted models and finished runs through the run store, whose locks keep two processes off one cell, so a
sweep that is stopped continues where it was.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..errors import MrbenchError, UsageError
from ..experiment.config import ExecutionOptions, ExperimentConfig
from ..experiment.run import run_experiment


@dataclass(frozen=True)
class Outcome:
    """What came of one question.

    Attributes:
        question: what was asked.
        summary: of the run, without its spec; None where it failed.
        error: why it failed, one sentence.
        reused: the run was there already.
    """

    question: ExperimentConfig
    summary: dict[str, Any] | None = None
    error: str = ""
    reused: bool = False


@dataclass
class Progress:
    """What a sweep has done so far; told to the user when it ends, whichever way.

    Attributes:
        outcomes: by question.
        total: how many questions there are.
    """

    outcomes: dict[ExperimentConfig, Outcome] = field(default_factory=dict)
    total: int = 0


def answer(question: ExperimentConfig, setup: ExecutionOptions) -> Outcome:
    """Answer one question here; a failure is an outcome too."""
    try:
        found = run_experiment(question, setup)
    except MrbenchError as error:
        return Outcome(question, error=str(error))
    except Exception as error:
        return Outcome(question, error=f"unexpected error: {error!r}")
    kept = {key: found.summary[key] for key in ("run", "path", "metrics", "fit", "seconds", "command")}
    return Outcome(question, kept, reused=found.reused)


@contextmanager
def local(jobs: int) -> Iterator[Executor]:
    """Processes of this machine, `jobs` at a time."""
    executor = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield executor
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


@contextmanager
def dask(scheduler: str) -> Iterator[Executor]:
    """The workers of a Dask cluster that is running; they need this package, the data and the run store's folder.

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
    questions: Sequence[ExperimentConfig],
    setup: ExecutionOptions,
    executor: Executor,
    progress: Progress,
    told: Callable[[Outcome], None] = lambda outcome: None,
) -> None:
    """Answer all questions that `progress` does not hold yet, in any order.

    Raises:
        MrbenchError: a process died; what was done is in `progress`, and in the run store.
    """
    futures = {
        executor.submit(answer, question, setup): question
        for question in questions
        if question not in progress.outcomes
    }
    for future in as_completed(futures):
        try:
            outcome = future.result()
        except BrokenProcessPool as error:
            raise MrbenchError(
                "a process of the sweep was killed (out of memory?); the same command continues, with fewer --jobs "
                "where memory is short"
            ) from error
        except Exception as error:  # a Dask worker that was lost too often, or can't import this package
            outcome = Outcome(futures[future], error=f"the worker failed: {error!r}")
        progress.outcomes[futures[future]] = outcome
        told(outcome)
