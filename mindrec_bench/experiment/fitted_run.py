"""A stored run, set up again with its fitted model."""

from __future__ import annotations

from dataclasses import fields, replace

from ..errors import DataError, UsageError
from ..store.run_spec import EXTERNAL, RunSettings
from ..store.runs import Run
from .config import AUTO, ExecutionOptions, ExperimentConfig
from .context import RunContext


def set_up_again(run: Run, options: ExecutionOptions | None = None) -> RunContext:
    """The run in this process, with its data and, in its run store, its fitted model.

    Args:
        run: the run.
        options: device, data folders and batch size; the run store is that of the run.

    Raises:
        UsageError: the run has no model.
        DataError: its data, its plugins or its fitted model are missing or have changed.
    """
    if run.spec.decoder.name == EXTERNAL:
        raise UsageError(f"run {run.id} holds rankings made elsewhere, and no model")
    runs_dir = run.path.absolute().parents[3]
    context = RunContext.create(config_of(run), replace(options or ExecutionOptions(), runs_dir=runs_dir))
    if context.spec.id != run.id:
        raise DataError(
            f"run {run.id} can't be set up as it was: its data, a plugin or a file that it names has changed; "
            f"repeat it: {run.summary.command}"
        )
    if context.backbone.sizes and context.model_folder.load_report() is None:
        raise DataError(
            f"{runs_dir} does not hold the whole fitted model of run {run.id}; repeat it with --fresh, into another "
            f"run store if this one is an archive: {run.summary.command} --fresh"
        )
    return context


def config_of(run: Run) -> ExperimentConfig:
    """The configuration that resolves to a stored run."""
    spec, summary = run.spec, run.summary
    settings = {field.name: getattr(spec, field.name) for field in fields(RunSettings)}
    return ExperimentConfig(
        model=summary.model,
        decoder=summary.decoder,
        data=summary.data,
        size=spec.model.size or AUTO,
        categories=spec.categories,
        users=summary.users_asked,
        train_devices=spec.train_devices,
        **settings,
    )
