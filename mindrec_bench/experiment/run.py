"""Run an experiment: fit a model or reuse a fitted one, decode, score, store. Which process does what is decided here.

One process coordinates: it holds the locks of the run, and calls the worker functions of `RunContext` (`train`,
`decode_shards`) through a `ProcessGroup`:

- `LocalGroup`: this process alone, or workers that it starts for the call (`run_in_worker` is what each does);
- `TorchrunGroup`: the processes that torchrun started. Rank 0 coordinates, and the others serve.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..core.backbone import Backbone, FitReport
from ..distributed.devices import check_devices, reset_peak_memory
from ..distributed.launcher import launch
from ..distributed.processes import ProcessGroup, ProcessInfo, WorkerContext, noop, silent
from ..distributed.torchrun import TorchrunGroup, only_main_process_speaks, process_from_env
from ..errors import MrbenchError, UsageError
from ..io.manifest import Stamp
from ..io.progress import ProgressBar
from ..io.schema import validate_keys
from ..plugins import registry
from ..store.runs import Run
from ..store.shards import Shard
from .config import AUTO, DEFAULT_BATCH, USERS_PER_SHARD, ExecutionOptions, ExperimentConfig, flag_name, make_config
from .context import RunContext
from .tracking import require_tracker

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class RunResult:
    """What `run_experiment` returns.

    Attributes:
        run: the finished run.
        reused: it was stored already; only the coordinating process knows.
    """

    run: Run
    reused: bool = False


@only_main_process_speaks()
def run_experiment(config: ExperimentConfig, options: ExecutionOptions) -> RunResult:
    """Compute a run, or return the stored one.

    Under torchrun all processes call this, and all return the same run.

    Raises:
        MrbenchError: see `mindrec_bench.errors` for its kinds.
    """
    context, result = _coordinate(config, options, lambda coordinator: coordinator.run())
    if result is not None:
        return result
    run = context.run_folder.load_run()
    if run is None:
        raise _not_shared(context.run_folder.path)
    return RunResult(run)


@only_main_process_speaks()
def fit_model(settings: Mapping[str, Any], options: ExecutionOptions) -> dict[str, Any]:
    """Fit a model, or return what is stored of it.

    Args:
        settings: fields of `ExperimentConfig` without those of decoding.
        options: how it is executed.

    Returns:
        `model`, `data`, `size`, `fit` (its id), `path`, `report` (see `FitReport`), and `fitted`: False where the model
        was stored already.

    Raises:
        UsageError: the model has nothing to train, or see `run_experiment`.
        MrbenchError: see `run_experiment`.
    """
    name, backbone = registry.make("model", settings["model"])
    if not backbone.sizes:
        raise UsageError(f"model '{name}' has nothing to train; decode with it by mrbench run")
    # All decoders share the model, so any that works with it will do.
    decoders = [entry.name for entry in registry.list_entries("decoder")]
    config = make_config({**settings, "decoder": _first_usable_decoder(backbone, decoders)})

    if options.fresh:
        options = replace(options, fresh="all")  # there is no more to compute again than the model

    def fit(coordinator: Coordinator) -> bool:
        return coordinator.fit().trained

    context, fitted = _coordinate(config, options, fit)
    folder, spec = context.model_folder, context.spec
    report = folder.load_report()
    if report is None:
        raise _not_shared(folder.path)
    return {
        "model": context.resolved.model_label,
        "data": config.data,
        "size": spec.model.size,
        "fit": spec.fit.id,
        "path": str(folder.path),
        "report": asdict(report),
        "fitted": bool(fitted),
    }


def _first_usable_decoder(backbone: Backbone, names: Sequence[str]) -> str:
    for name in names:
        try:
            if registry.can_answer(backbone.capability, registry.make("decoder", name)[1].needs):
                return name
        except UsageError:  # an option has no default
            continue
    raise UsageError(f"no decoder works with a model that answers '{backbone.capability}'")


def _coordinate(
    config: ExperimentConfig, options: ExecutionOptions, action: Callable[[Coordinator], T]
) -> tuple[RunContext, T | None]:
    """Do something with the processes of a run; returns the context, and what came of it in the process that leads."""
    reset_peak_memory("cpu")  # several runs may follow each other in this process
    if options.track:
        require_tracker(options.track)
    process = process_from_env()
    config, devices = resolve_processes(config, options, process)
    if process is not None and process.rank > 0:
        options = replace(options, quiet=True)
    context = RunContext.create(config, options)
    check_gpus(context, devices, process)
    if process is None:
        return context, action(Coordinator.of(context, LocalGroup(context, devices)))
    process.select_gpu(context.device)
    group = TorchrunGroup.connect(process, context.worker_functions)
    if process.rank == 0:
        result = action(Coordinator.of(context, group))
        group.shutdown()
        return context, result
    group.serve()
    return context, None


def _not_shared(path: Path) -> MrbenchError:
    return MrbenchError(
        f"this process finds nothing finished in {path}; all processes need the same --runs-dir, on a file system that "
        "they share"
    )


def resolve_processes(
    config: ExperimentConfig, options: ExecutionOptions, process: ProcessInfo | None
) -> tuple[ExperimentConfig, int]:
    """The config with its number of training processes, and how many processes decode.

    Args:
        config: of the experiment.
        options: their numbers are checked too.
        process: which of torchrun's processes this one is, or None.

    Raises:
        UsageError: the options are impossible.
    """
    numbers = {"batch_size": options.batch_size, "devices": options.devices}
    validate_keys(numbers, ExecutionOptions, "the options", label=flag_name)
    devices = options.devices or (process.size if process else 1)
    if process is not None and devices != process.size:
        raise UsageError(f"--devices is {devices}, and torchrun started {process.size} processes; leave it out")
    if config.train_devices is None:
        config = replace(config, train_devices=devices)
    return config, devices


def check_gpus(context: RunContext, devices: int, process: ProcessInfo | None) -> None:
    """Refuse a run whose processes on this machine can't have a GPU each.

    Args:
        context: of the run.
        devices: how many processes decode.
        process: which of torchrun's processes this one is, or None.

    Raises:
        UsageError: there are too few GPUs.
    """
    local_size = process.local_size if process else max(devices, context.training_processes)
    check_devices(context.device, local_size)


@dataclass(frozen=True, eq=False)
class LocalGroup:
    """This process alone, or workers that it starts on this machine for each call; a `ProcessGroup`.

    Attributes:
        context: the run in this process.
        size: how many processes decode; with 1 nothing is started unless several train.
    """

    context: RunContext
    size: int

    def run(
        self,
        function: str,
        size: int,
        arguments: tuple[Any, ...] = (),
        *,
        progress: Callable[[int], object] = noop,
    ) -> Any:
        """See `ProcessGroup.run`."""
        context = self.context
        if max(size, self.size) == 1:
            return context.worker_functions[function](WorkerContext(progress=progress), *arguments)
        classes = registry.classes_of_process()
        _check_importable(classes.values())
        settings = (context.resolved.config, context.options, classes, function, arguments)
        return launch(run_in_worker, size, settings, progress=progress)


def run_in_worker(
    worker: WorkerContext,
    config: ExperimentConfig,
    options: ExecutionOptions,
    classes: Mapping[tuple[registry.Kind, str], type],
    function: str,
    arguments: tuple[Any, ...],
) -> Any:
    """Call a worker function in a process that `LocalGroup` has started; only rank 0 shows progress and messages."""
    with registry.registered(classes):
        with silent():  # the parent has logged the messages about the data
            context = RunContext.create(config, options)
        worker.process.select_gpu(context.device)
        options = replace(options, quiet=options.quiet or worker.process.rank > 0)
        return replace(context, options=options).worker_functions[function](worker, *arguments)


def _check_importable(classes: Iterable[type]) -> None:
    """Refuse classes that a new process could not import."""
    for cls in classes:
        is_module = cls.__module__ != "__main__" or hasattr(sys.modules["__main__"], "__file__")
        if not is_module or "<locals>" in cls.__qualname__:
            raise UsageError(
                f"several processes can't share {cls.__qualname__}, which they can't import; define it at the top of "
                "a module, or use one process"
            )


def _reused(run: Run) -> RunResult:
    logger.info("this run is done already; --fresh computes it again")
    return RunResult(run, reused=True)


class Fit(NamedTuple):
    """What `Coordinator.fit` returns.

    Attributes:
        report: of the training; None where nothing is trained.
        weights_id: of the model; '' where nothing is trained.
        trained: whether it was trained now.
    """

    report: FitReport | None
    weights_id: str
    trained: bool = False


@dataclass(frozen=True, eq=False)
class Coordinator:
    """Puts the steps of a run in order and holds its locks, in one process.

    Attributes:
        context: the run in this process.
        group: the processes that train and decode.
        run_stamp, model_stamp: what was stored when the command began: `fresh` forgets that, and nothing that another
            process has computed since.
    """

    context: RunContext
    group: ProcessGroup
    run_stamp: Stamp = None
    model_stamp: Stamp = None

    @classmethod
    def of(cls, context: RunContext, group: ProcessGroup) -> Coordinator:
        """The coordinator of a command that begins now."""
        return cls(context, group, context.run_folder.stamp(), context.model_folder.stamp())

    def run(self) -> RunResult:
        """The result, computed or stored."""
        context, options = self.context, self.context.options
        folder = context.run_folder
        # Without the lock, which can't be taken in a run store that can only be read.
        run = None if options.fresh or folder.has_shards else folder.load_run(warn=False)
        if run is not None:
            return _reused(run)
        with folder.lock(wait=options.wait):
            if options.fresh and folder.stamp() == self.run_stamp:
                folder.discard()
            run = folder.load_run()
            if run is not None:
                folder.remove_shards()
                return _reused(run)
            fit = self.fit()
            return RunResult(context.finish(self.decode(fit.weights_id), fit.report))

    def fit(self) -> Fit:
        """Fit the backbone, or reuse a fitted model."""
        context, options = self.context, self.context.options
        folder, again = context.model_folder, options.fresh == "all"
        if not context.backbone.sizes:
            return Fit(None, "")
        report = None if again else folder.load_report(warn=False)
        if report is not None:  # without the lock, as above
            if options.track:
                logger.info(
                    f"this model is fitted already, so {options.track} sees no training; --fresh all repeats it"
                )
            return Fit(report, folder.weights_id())
        with folder.lock(wait=options.wait):
            if again and folder.stamp() == self.model_stamp:
                folder.discard()
            report = folder.load_report()
            if report is not None:
                return Fit(report, folder.weights_id())
            folder.start()
            logger.info(context.training_notice())
            report = folder.finish(self.group.run("train", context.spec.train_devices))
            return Fit(report, folder.weights_id(), trained=True)

    def decode(self, weights_id: str) -> list[Shard]:
        """Decode the shards that are missing or come from other weights; returns all shards."""
        context, users = self.context, len(self.context.examples)
        batch_size = self._batch_size(weights_id)
        shard_users = context.options.shard_users or max(batch_size, USERS_PER_SHARD)
        shards = context.load_shards(weights_id, batch_size, shard_users)
        done = {shard.index for shard in shards}
        missing = [
            [index, index * shard_users, min((index + 1) * shard_users, users)]
            for index in range(math.ceil(users / shard_users))
            if index not in done
        ]
        with ProgressBar(total=users, unit=" users", desc="decoding", disable=context.options.quiet) as bar:
            bar.update(sum(shard.meta.users for shard in shards))
            if missing:
                arguments = (missing, weights_id, batch_size, shard_users)
                self.group.run("decode_shards", self.group.size, arguments, progress=bar.update)
        return context.load_shards(weights_id, batch_size, shard_users)

    def _batch_size(self, weights_id: str) -> int:
        """Users decoded together: as asked, as before an interruption, or as found by trying."""
        context, asked = self.context, self.context.options.batch_size
        if asked != AUTO:
            return asked
        if context.device != "cuda":
            return DEFAULT_BATCH
        stored = context.run_folder.stored_batch_size(device=context.device, weights_id=weights_id)
        if stored is not None:
            return stored
        found: int = self.group.run("find_batch_size", 1, (weights_id,))
        logger.info(f"decoding {found} users at a time, the most that gains on this GPU (--batch-size sets it)")
        return found
