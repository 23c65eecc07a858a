"""`mrbench fit`: train a model without decoding."""

from __future__ import annotations

from typing import Any

import click

from ..experiment.config import ExecutionOptions, ExperimentConfig
from .config_file import config_option
from .config_options import config_options, split_options
from .flags import json_option, print_result
from .messages import hide_messages

SETTINGS = (
    "model",
    "data",
    "size",
    "checkpoint",
    "categories",
    "users",
    "holdout",
    "history",
    "seed",
    "max_minutes",
    "train_devices",
)
"""The settings of a run that change its fitted model."""


@click.command()
@config_option
@config_options(ExperimentConfig, only=SETTINGS)
@config_options(ExecutionOptions, hidden=("batch_size",), defaults={"quiet": False})
@json_option
def fit(as_json: bool, **flags: Any) -> None:
    """Train a model, for all decoders; `mrbench run` with the same settings then decodes with it.

    A killed training continues when the same command is given again.
    """
    from ..distributed.torchrun import is_main_process
    from ..experiment.run import fit_model
    from ..report.run_text import fit_text

    values, execution = split_options(flags, ExecutionOptions)
    options = ExecutionOptions(**execution)
    hide_messages(options.quiet)
    fitted = fit_model(values, options)
    if is_main_process():
        print_result(fitted, fit_text(fitted), as_json)
