"""`mrbench run`: train or reuse a model, decode, store and print the result."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from .config_file import config_option
from .flags import Users, data_dir_option, json_option, notify, print_result, runs_option


@click.command()
@config_option
@click.option("--model", "-m", required=True, help="NAME or NAME:key=value,... (see `mrbench list models NAME`).")
@click.option("--decoder", "-d", required=True, help="NAME or NAME:key=value,... (see `mrbench list decoders NAME`).")
@click.option("--data", default="arts-sim", show_default=True, help="A known or imported name, or a folder's path.")
@click.option("--size", default="auto", show_default=True, help="Size of the model.")
@click.option("--checkpoint", help="Folder or hub id of published weights to fine-tune, instead of a --size.")
@click.option(
    "--categories",
    type=click.Choice(["none", "history", "generate", "given"]),
    help="Category slots: unused, in histories only, generated first, or given.  [default: generate if there are any]",
)
@click.option(
    "--constrain",
    type=click.Choice(["slots", "catalogue"]),
    default="slots",
    show_default=True,
    help="A slot may have any of its codes, or only those that keep a catalogue item reachable.",
)
@click.option("--beam", type=int, default=10, show_default=True, help="Results a user.")
@click.option("--users", type=Users(), default="5000", show_default=True, help="Users that make up the data.")
@click.option("--eval-users", type=int, help="Decode only the first so many users (a quick look).")
@click.option("--seed", type=int, default=42, show_default=True)
@click.option(
    "--split",
    type=click.Choice(["test", "valid"]),
    default="test",
    show_default=True,
    help="The held-out items that are the targets; choose between models on valid. Tables show test only.",
)
@click.option("--exclude-history", is_flag=True, help="Never recommend items of the history (models that score items).")
@click.option(
    "--max-minutes",
    type=float,
    help="Stop training after so many minutes (how far it gets then depends on the machine).",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--devices",
    type=int,
    help="Processes that train and decode, with a GPU each on CUDA.  [default: as many as torchrun started, else 1]",
)
@click.option(
    "--train-devices",
    type=int,
    help="Take the model that so many processes train: another number gives another model.  [default: as --devices]",
)
@click.option("--batch-size", type=int, default=128, show_default=True, help="Users decoded together, at most 512.")
@data_dir_option
@runs_option
@click.option("--dry-run", is_flag=True, help="Print what would be run, and end.")
@click.option("--show-prompt", type=click.IntRange(min=1), help="As --dry-run, and print the prompts of so many users.")
@click.option("--fresh", is_flag=True, help="Forget this run and its fitted model, and compute them again.")
@click.option("--no-wait", is_flag=True, help="End at once if another process computes this run.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, no notices.")
@json_option
def run(**flags: Any) -> None:
    """Train (or reuse) a model, decode every test user, store and print the result.

    A killed run continues where it was when the same command is given again; a finished one is only printed.
    """
    from ..distributed.torchrun import is_first
    from ..experiment.config import ExperimentConfig
    from ..experiment.run import ExecutionOptions, run_experiment
    from ..report.run_text import result_text

    as_json, quiet = flags.pop("as_json"), flags.pop("quiet")
    dry, prompts = flags.pop("dry_run"), flags.pop("show_prompt")
    setup = ExecutionOptions(
        runs_dir=flags.pop("runs_dir"),
        data_dir=flags.pop("data_dir"),
        device=flags.pop("device"),
        batch_size=flags.pop("batch_size"),
        devices=flags.pop("devices"),
        fresh=flags.pop("fresh"),
        wait=not flags.pop("no_wait"),
        quiet=quiet,
        notify=(lambda line: None) if quiet else notify,
    )
    if dry or prompts:
        from ..experiment.dry_run import dry_run, dry_text

        plan = dry_run(ExperimentConfig(**flags), setup, prompts=prompts or 0)
        if is_first():
            print_result(plan, dry_text(plan), as_json)
        return
    summary = run_experiment(ExperimentConfig(**flags), setup).summary
    if not is_first():
        return
    store = [] if setup.runs_dir == Path("runs") else ["--runs-dir", str(setup.runs_dir)]
    again = shlex.join(["mrbench", "show", summary["run"], *store])
    text = f"{result_text(summary)}\n\n{summary['path']}\nshow it again: {again}"
    print_result(summary, text, as_json)
