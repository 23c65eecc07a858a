"""`mrbench table`: tables from stored runs, beside published values; imports no torch."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from .flags import notify, runs_option, test_option

if TYPE_CHECKING:
    from ..report.table_spec import TableSpec
    from ..report.tables.table import Table


ENDINGS = {"text": "txt", "github": "md", "latex": "tex", "html": "html", "csv": "csv", "json": "json"}
"""The formats of a table, and the endings of their files."""


def _numbers(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"'{text}' is not a list of numbers such as 0,1,2") from None


@click.command()
@click.argument("names", metavar="[NAME|FILE.toml]...", nargs=-1)
@click.option("--format", "form", type=click.Choice(list(ENDINGS)), default="text", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write one file a table into this folder.")
@click.option("--seeds", callback=_numbers, metavar="N,N,...", help="Average these seeds of each user first.")
@click.option("--size", help="Size of the models.  [default: the largest present]")
@click.option("--users", metavar="N|all", help="Users that make up the data.  [default: 5000]")
@click.option("--max-minutes", type=float, help="Time limit of the training.  [default: the longest present]")
@click.option("--intervals", is_flag=True, help="Show bootstrap 95% intervals.")
@test_option
@click.option("--run-missing", is_flag=True, help="Run the commands that fill empty cells first.")
@runs_option
def table(names: Sequence[str], form: str, out: Path | None, run_missing: bool, **flags: Any) -> None:
    """Show tables of the paper from stored runs, ours beside the published values; a .toml file shows your own.

    \b
    mrbench table table6
    mrbench table table2 --format latex --out tables-of-today
    """
    from ..report.table_spec_io import load_table
    from ..report.table_spec_io import names as known

    specs = [_adjusted(load_table(name), flags) for name in names or known()]
    runs_dir = flags["runs_dir"]
    if run_missing:
        _run_missing([_build(spec, flags) for spec in specs], runs_dir)
    tables = [_build(spec, flags) for spec in specs]
    if out is None:
        click.echo(_joined(tables, form, flags["intervals"]), nl=False)
        return
    from ..io.atomic import atomic_write

    for built in tables:
        path = out / f"{built.spec.name}.{ENDINGS[form]}"
        content = _joined([built], form, flags["intervals"]).encode()
        atomic_write(path, lambda file, content=content: file.write(content))  # type: ignore[misc]
        click.echo(path)


def _adjusted(spec: TableSpec, flags: dict[str, Any]) -> TableSpec:
    """The specification with the command line's seeds, size, users and time limit in place of its own."""
    changes = {name: flags[name] for name in ("seeds", "size", "max_minutes") if flags[name]}
    users = flags["users"]
    if users is not None:
        if users != "all" and not (users.isdigit() and int(users) > 0):
            raise UsageError(f"--users is '{users}'; it must be a number above 0, or all")
        changes["users"] = None if users == "all" else int(users)
    return replace(spec, **changes)


def _build(spec: TableSpec, flags: dict[str, Any]) -> Table:
    from ..report.tables.build import build_table
    from ..store.runs import find_runs

    runs = find_runs(flags["runs_dir"], notify)
    return build_table(spec, runs, with_intervals=flags["intervals"], test=flags["test"])


def _run_missing(tables: Sequence[Table], runs_dir: Path) -> None:
    """Run each command that fills an empty cell, once; what fails is named at the end and leaves its cell empty."""
    missing = [command for built in tables for row in built.rows for some in row.missing.values() for command in some]
    failed = []
    for command in dict.fromkeys(missing):
        if not command.startswith("mrbench run "):  # rankings made elsewhere need the user's own file
            continue
        notify(command)
        words = [sys.executable, "-m", "mindrec_bench", *shlex.split(command)[1:], "--runs-dir", str(runs_dir)]
        if subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode:
            failed.append(command)
    for command in failed:
        notify(f"failed: {command}")


def _joined(tables: Sequence[Table], form: str, with_intervals: bool) -> str:
    """All tables in one text, ending in a line break."""
    if form == "html":
        from ..report.tables.html import to_html

        return to_html(tables, with_intervals=with_intervals)
    if form == "json":
        from ..report.tables.csv_json import as_object

        return json.dumps([as_object(built) for built in tables], indent=2, ensure_ascii=False) + "\n"
    render = _renderer(form, with_intervals)
    return "\n\n".join(render(built).rstrip("\n") for built in tables) + "\n"


def _renderer(form: str, with_intervals: bool) -> Callable[[Table], str]:
    from ..report.tables import csv_json, latex, markdown, terminal

    colour = sys.stdout.isatty()
    renderers: dict[str, Callable[[Table], str]] = {
        "text": partial(terminal.to_text, with_intervals=with_intervals, colour=colour),
        "github": partial(markdown.to_github, with_intervals=with_intervals),
        "latex": partial(latex.to_latex, with_intervals=with_intervals),
        "csv": csv_json.to_csv,
    }
    return renderers[form]
