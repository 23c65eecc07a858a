"""One question from words to a stored answer: read, fit or reuse, decode, score, store."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..core.backbone import FitReport
from ..distributed.devices import check_devices
from ..distributed.launcher import launch
from ..distributed.processes import ProcessInfo, WorkerContext, noop
from ..distributed.torchrun import TorchrunGroup, process_from_env
from ..errors import MrbenchError, UsageError
from ..store.shards import Shard
from .batch_decoder import SHARD_USERS
from .config import ExecutionOptions, ExperimentConfig
from .context import RunContext

MAX_BATCH = SHARD_USERS
"""Batches do not cross shards."""


@dataclass(frozen=True, eq=False)
class RunResult:
    """The answer to a question.

    Attributes:
        summary: the run's, as in its `summary.json`.
        reused: it was there already; only the process that leads knows.
    """

    summary: dict[str, Any]
    reused: bool = False


def run_experiment(question: ExperimentConfig, setup: ExecutionOptions) -> RunResult:
    """Answer a question, or return the stored answer.

    Raises:
        MrbenchError: see `mindrec_bench.errors` for its kinds.
    """
    place = process_from_env()
    question, devices = checked(question, setup, place)
    if place is not None:
        return _answer_together(question, replace(setup, devices=devices), place)
    steps = RunContext.of(question, setup)
    check_gpus(steps, devices, place)
    return Coordinator(steps, devices).answer()


def checked(
    question: ExperimentConfig, setup: ExecutionOptions, place: ProcessInfo | None
) -> tuple[ExperimentConfig, int]:
    """The question with its number of training processes, and how many processes decode.

    Raises:
        UsageError: the setup is impossible.
    """
    if not 1 <= setup.batch_size <= MAX_BATCH:
        raise UsageError(f"--batch-size is {setup.batch_size}; it must be from 1 to {MAX_BATCH}")
    if setup.devices is not None and setup.devices < 1:
        raise UsageError(f"--devices is {setup.devices}; it must be at least 1")
    devices = setup.devices or (place.size if place else 1)
    if place is not None and devices != place.size:
        raise UsageError(f"--devices is {devices}, and torchrun started {place.size} processes; leave it out")
    if question.train_devices is None:
        question = replace(question, train_devices=devices)
    return question, devices


def check_gpus(steps: RunContext, devices: int, place: ProcessInfo | None) -> None:
    """Refuse a run whose processes on this machine can't have a GPU each.

    Args:
        steps: of the run.
        devices: how many processes decode.
        place: which of torchrun's processes this one is, or None.

    Raises:
        UsageError: there are too few GPUs.
    """
    check_devices(steps.device, place.local_size if place else max(devices, steps.processes_to_train))


def _answer_together(question: ExperimentConfig, setup: ExecutionOptions, place: ProcessInfo) -> RunResult:
    """The same in one of the processes that torchrun started."""
    if place.rank > 0:
        setup = replace(setup, quiet=True, notify=noop)
    steps = RunContext.of(question, setup)
    check_gpus(steps, place.size, place)
    place.take_gpu(steps.device)
    troupe = TorchrunGroup.meet(place)
    if place.rank == 0:
        answer = Coordinator(steps, place.size, troupe).answer()
        troupe.dismiss()
        return answer
    troupe.follow(steps.do)
    stored = steps.folder.load_summary()
    if stored is None:
        raise MrbenchError(
            f"{steps.folder.path} is not finished for process {place.rank}; all processes need one --runs-dir, on a "
            "file system that they share"
        )
    return RunResult(stored)


def _work(
    seat: WorkerContext,
    notify: Callable[[str], None],
    question: ExperimentConfig,
    setup: ExecutionOptions,
    job: str,
    arguments: tuple[Any, ...],
) -> Any:
    """What a worker of this machine does."""
    steps = RunContext.of(question, setup)  # the parent has told what there is to say about the data
    seat.place.take_gpu(steps.device)
    first = seat.place.rank == 0
    told = replace(setup, notify=notify if first else noop, quiet=setup.quiet or not first)
    return replace(steps, setup=told).do(job, seat, *arguments)


@dataclass(frozen=True, eq=False)
class Coordinator:
    """The one process that puts the steps of a run in order and holds its locks.

    Attributes:
        steps: what it has done.
        devices: how many processes decode.
        troupe: the processes that torchrun started, or None.
    """

    steps: RunContext
    devices: int
    troupe: TorchrunGroup | None = None

    def answer(self) -> RunResult:
        """The answer, computed or stored."""
        steps, setup = self.steps, self.steps.setup
        with steps.folder.lock(wait=setup.wait):
            if setup.fresh:
                steps.folder.discard()
            summary = steps.folder.load_summary()
            if summary is not None:
                setup.notify("this run is done already; --fresh computes it again")
                return RunResult(summary, reused=True)
            report, weights = self.fitted_model()
            return RunResult(steps.finish(self.decode(weights), report))

    def each(self, job: str, size: int, *arguments: Any, progress: Callable[[int], object] = noop) -> Any:
        """Have `size` processes do a job, and return the result of process 0."""
        steps = self.steps
        if self.troupe is not None:
            return self.troupe.each(steps.do, job, size, arguments, progress=progress)
        if max(size, self.devices) == 1:
            return steps.do(job, WorkerContext(progress=progress), *arguments)
        todo = (steps.resolved.question, replace(steps.setup, notify=noop), job, arguments)
        return launch(_work, size, todo, notify=steps.setup.notify, progress=progress)

    def fitted_model(self) -> tuple[FitReport | None, str]:
        """Fit the backbone, or reuse a fitted one; its report and weights id where it is trained."""
        steps, fit, setup = self.steps, self.steps.fit, self.steps.setup
        if not steps.backbone.sizes:
            return None, ""
        with fit.lock(wait=setup.wait):
            if setup.fresh:
                fit.discard()
            report = fit.load_report()
            if report is None:
                fit.start()
                setup.notify(steps.training_notice())
                report = fit.finish(self.each("train", steps.spec.train_devices))
            return report, fit.weights_id()

    def decode(self, weights: str) -> list[Shard]:
        """Decode the users of all shards that are not there yet, or are from other weights."""
        from tqdm import tqdm

        steps = self.steps
        shards, users = steps.shards(weights), len(steps.examples)
        done = {shard.index for shard in shards}
        missing = [
            [index, index * SHARD_USERS, min((index + 1) * SHARD_USERS, users)]
            for index in range(math.ceil(users / SHARD_USERS))
            if index not in done
        ]
        with tqdm(total=users, unit=" users", desc="decoding", disable=steps.setup.quiet) as bar:
            bar.update(sum(shard.meta.users for shard in shards))
            if missing:
                self.each("decode_shards", self.devices, missing, weights, progress=bar.update)
        return steps.shards(weights)
