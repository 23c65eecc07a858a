"""`mrbench run`: train or reuse a model, decode, store and print the result."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from .config_file import config_option
from .flags import (
    batch_size_option,
    constrain_option,
    data_dir_option,
    device_option,
    json_option,
    no_wait_option,
    notify_unless,
    print_result,
    quiet_option,
    runs_option,
    users_option,
)


@click.command()
@config_option
@click.option("--model", "-m", required=True, help="NAME or NAME:key=value,... (see `mrbench list models NAME`).")
@click.option("--decoder", "-d", required=True, help="NAME or NAME:key=value,... (see `mrbench list decoders NAME`).")
@click.option(
    "--data", default="arts-sim", show_default=True, help="A registered or imported name, or the path of a folder."
)
@click.option("--size", default="auto", show_default=True, help="Size of the model, or auto.")
@click.option("--checkpoint", help="Folder or hub id of published weights to fine-tune, instead of a --size.")
@click.option(
    "--categories",
    type=click.Choice(["none", "history", "generate", "given"]),
    help="Category slots: unused, in histories only, generated first, or given.  [default: generate if there are any]",
)
@constrain_option
@click.option("--beam", type=int, default=10, show_default=True, help="Results per user.")
@users_option
@click.option("--eval-users", type=int, help="Decode only the first N users, for a quick look.")
@click.option("--seed", type=int, default=42, show_default=True)
@click.option(
    "--split",
    type=click.Choice(["test", "valid"]),
    default="test",
    show_default=True,
    help="Which held-out items are the targets; use valid to choose between models. Tables show test only.",
)
@click.option("--exclude-history", is_flag=True, help="Never recommend items of the history (models that score items).")
@click.option(
    "--max-minutes",
    type=float,
    help="Time limit of the training; how far it gets then depends on the machine.",
)
@device_option
@click.option(
    "--devices",
    type=int,
    help="Processes that train and decode, one GPU each on CUDA.  [default: as many as torchrun started, else 1]",
)
@click.option(
    "--train-devices",
    type=int,
    help="Processes that train the model; another number gives another model.  [default: as --devices]",
)
@batch_size_option
@data_dir_option
@runs_option
@click.option("--dry-run", is_flag=True, help="Print what would be run, and exit.")
@click.option(
    "--show-prompt", type=click.IntRange(min=1), help="As --dry-run, and print the prompts of the first N users."
)
@click.option("--fresh", is_flag=True, help="Delete this run and its fitted model, and compute them again.")
@no_wait_option
@quiet_option
@json_option
def run(**flags: Any) -> None:
    """Train (or reuse) a model, decode every test user, store and print the result.

    A killed run continues when the same command is given again; a finished one is only printed.
    """
    from ..distributed.torchrun import is_main_process
    from ..experiment.config import ExecutionOptions, ExperimentConfig
    from ..experiment.run import run_experiment
    from ..report.run_text import run_text

    as_json, quiet = flags.pop("as_json"), flags.pop("quiet")
    show_plan, prompts = flags.pop("dry_run"), flags.pop("show_prompt")
    options = ExecutionOptions(
        runs_dir=flags.pop("runs_dir"),
        data_dir=flags.pop("data_dir"),
        device=flags.pop("device"),
        batch_size=flags.pop("batch_size"),
        devices=flags.pop("devices"),
        fresh=flags.pop("fresh"),
        wait=not flags.pop("no_wait"),
        quiet=quiet,
        notify=notify_unless(quiet),
    )
    config = ExperimentConfig(**flags)
    if show_plan or prompts:
        from ..experiment.dry_run import dry_run, dry_run_text

        plan = dry_run(config, options, prompts=prompts or 0)
        if is_main_process():
            print_result(plan, dry_run_text(plan), as_json)
        return
    summary = run_experiment(config, options).summary
    if not is_main_process():
        return
    runs_flag = [] if options.runs_dir == Path("runs") else ["--runs-dir", str(options.runs_dir)]
    show_command = shlex.join(["mrbench", "show", summary["run"], *runs_flag])
    text = f"{run_text(summary)}\n\n{summary['path']}\nshow it again: {show_command}"
    print_result(summary, text, as_json)
