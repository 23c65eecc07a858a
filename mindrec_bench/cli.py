"""The `mrbench` command: parse, call, print. What costs time to import is imported by the command that needs it."""

from __future__ import annotations

import json
import shlex
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from . import __version__
from .bench.command import bench
from .config_file import config_option
from .data_commands import data
from .errors import MrbenchError
from .exchange import export, score
from .flags import Commands, Users, data_dir_option, json_option, notify, runs_option
from .report.commands import audit, compare, figure, table
from .sweep.command import sweep

INTERRUPTED = 130
DEBUG = "--debug"


def _print(value: Any, text: str, as_json: bool) -> None:
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else text)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mrbench")
def cli() -> None:
    """Compare decoders and baselines for generative recommendation, and trust the answer.

    \b
    mrbench run --model llada --decoder dbs-penalty               # on the built-in simulation
    mrbench run --model markov --decoder dbs-penalty --data arts  # on real data, in seconds
    mrbench list

    With --debug anywhere, an error shows its traceback.

    Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 data or weights missing or broken, 130 interrupted.
    """


@cli.command()
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
    from .question import Question
    from .report.result import result_text
    from .runner import Setup, run_question
    from .torchrun import is_first

    as_json, quiet = flags.pop("as_json"), flags.pop("quiet")
    dry, prompts = flags.pop("dry_run"), flags.pop("show_prompt")
    setup = Setup(
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
        from .dry_run import dry_run, dry_text

        plan = dry_run(Question(**flags), setup, prompts=prompts or 0)
        if is_first():
            _print(plan, dry_text(plan), as_json)
        return
    summary = run_question(Question(**flags), setup)
    if not is_first():
        return
    store = [] if setup.runs_dir == Path("runs") else ["--runs-dir", str(setup.runs_dir)]
    again = shlex.join(["mrbench", "show", summary["run"], *store])
    text = f"{result_text(summary)}\n\n{summary['path']}\nshow it again: {again}"
    _print(summary, text, as_json)


@cli.command()
@click.argument("run")
@runs_option
@json_option
def show(run: str, runs_dir: Path, as_json: bool) -> None:
    """Print a finished run, named by its id (or the start of it) or its folder."""
    from .report.result import result_text
    from .runs import resolve_run

    summary = resolve_run(runs_dir, run)
    _print(summary, f"{result_text(summary)}\n\n{summary['command']}\n{summary['path']}", as_json)


@cli.command("list")
@click.argument("what", type=click.Choice(["models", "decoders", "data"]), required=False)
@click.argument("name", required=False)
@data_dir_option
@json_option
def list_(what: str | None, name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List models, decoders and data sets, a line each; or, with a NAME, the options of one and what it works with.

    \b
    mrbench list
    mrbench list decoders
    mrbench list models llada
    """
    from . import registry
    from .data.known import listed

    kinds: dict[str, registry.Kind] = {"models": "model", "decoders": "decoder", "data": "data"}
    if what is not None and name is not None:
        from .described import card, data_card
        from .report.card import card_text

        found = data_card(name, data_dir) if what == "data" else card(kinds[what], name)
        _print(found.as_dict(), card_text(kinds[what], found), as_json)
        return
    rows = {
        name: listed(data_dir, notify) if name == "data" else registry.listed(kind, notify)
        for name, kind in kinds.items()
        if what in (None, name)
    }
    lines = []
    for name, entries in rows.items():
        lines.append(name)
        width = max((len(entry.name) for entry in entries), default=0)
        for entry in entries:
            kind = f"[{entry.capability}] " if entry.capability else ""
            lines.append(f"  {entry.name:<{width}}  {kind}{entry.summary}")
    value = {name: [vars(entry) for entry in entries] for name, entries in rows.items()}
    _print(value, "\n".join(lines), as_json)


for command in (table, figure, compare, audit, score, export, sweep, bench, data):
    cli.add_command(command)


@cli.command()
@data_dir_option
@json_option
def doctor(data_dir: Path | None, as_json: bool) -> None:
    """Show what this machine has: packages, devices, data, weights, and what each model would do here.

    It only reports: the exit code is 0 whatever is missing.
    """
    from .doctor import examine, to_text

    lines = examine(data_dir)
    _print([line._asdict() for line in lines], to_text(lines), as_json)


@cli.group(cls=Commands)
def new() -> None:
    """Start a package of your own."""


@new.command("decoder")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Where the new folder NAME goes.")
def new_decoder(name: str, out: Path) -> None:
    """Write a small installable package with a working decoder, its test and a README."""
    from .scaffold import new_decoder

    click.echo(new_decoder(name, out))


def main() -> None:
    """Run the command line; every error a user can meet ends in one sentence and a documented exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        sys.exit(cli.main(arguments, prog_name="mrbench", standalone_mode=False))
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; the same command continues from what is done", err=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if debug:
            traceback.print_exc()
        code = error.exit_code if isinstance(error, MrbenchError) else 1
        details = "" if debug else " (repeat with --debug for the details)"
        prefix = "" if isinstance(error, MrbenchError) else f"unexpected error{details}: "
        click.echo(f"mrbench: {prefix}{error or type(error).__name__}", err=True)
        sys.exit(code)


if __name__ == "__main__":
    main()
