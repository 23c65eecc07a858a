"""The commands that show stored runs and published numbers: `table`, `figure`, `compare`, `audit`; without torch."""

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
from ..flags import json_option, notify, runs_option

if TYPE_CHECKING:
    from .spec import TableSpec
    from .table import Table

ENDINGS = {"text": "txt", "github": "md", "latex": "tex", "html": "html", "csv": "csv", "json": "json"}
"""The formats of a table, and the endings of their files."""

test_option = click.option(
    "--test",
    type=click.Choice(["randomisation", "t", "wilcoxon"]),
    default="randomisation",
    show_default=True,
    help="For NDCG, and for HR over several seeds; HR of one seed has exact McNemar.",
)


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
    from .load import load_table
    from .load import names as known

    specs = [_adjusted(load_table(name), flags) for name in names or known()]
    runs_dir = flags["runs_dir"]
    if run_missing:
        _run_missing([_build(spec, flags) for spec in specs], runs_dir)
    tables = [_build(spec, flags) for spec in specs]
    if out is None:
        click.echo(_joined(tables, form, flags["intervals"]), nl=False)
        return
    from ..storage import atomic_write

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
    from ..runs import find_runs
    from .build import build_table

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
        words = [sys.executable, "-m", "mindrec_bench.cli", *shlex.split(command)[1:], "--runs-dir", str(runs_dir)]
        if subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode:
            failed.append(command)
    for command in failed:
        notify(f"failed: {command}")


def _joined(tables: Sequence[Table], form: str, with_intervals: bool) -> str:
    """All tables in one text, ending in a line break."""
    if form == "html":
        from .web import to_html

        return to_html(tables, with_intervals=with_intervals)
    if form == "json":
        from .plain import as_object

        return json.dumps([as_object(built) for built in tables], indent=2, ensure_ascii=False) + "\n"
    render = _renderer(form, with_intervals)
    return "\n\n".join(render(built).rstrip("\n") for built in tables) + "\n"


def _renderer(form: str, with_intervals: bool) -> Callable[[Table], str]:
    from . import latex, markdown, plain, terminal

    colour = sys.stdout.isatty()
    renderers: dict[str, Callable[[Table], str]] = {
        "text": partial(terminal.to_text, with_intervals=with_intervals, colour=colour),
        "github": partial(markdown.to_github, with_intervals=with_intervals),
        "latex": partial(latex.to_latex, with_intervals=with_intervals),
        "csv": plain.to_csv,
    }
    return renderers[form]


@click.command()
@click.argument("name", metavar="NAME|FILE.toml")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="The folder for the files.")
@runs_option
def figure(name: str, out: Path, runs_dir: Path) -> None:
    """Draw a figure of the paper from stored runs: PNG, SVG, PDF, and its data as CSV.

    What is missing is named with the commands that fill it.
    """
    from ..runs import find_runs
    from .figure import build_figure, save_figure
    from .load import load_table

    built = build_figure(load_table(name), find_runs(runs_dir, notify))
    for path in save_figure(built, out):
        click.echo(path)
    for line in built.missing:
        notify(line)


@click.command()
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True)
@test_option
@runs_option
@json_option
def compare(runs: Sequence[str], test: Any, runs_dir: Path, as_json: bool) -> None:
    """Compare stored runs with the first one, every metric tested over the same users.

    A run is named by its id, the start of it, or its folder.
    """
    from ..runs import resolve_run
    from .compare import as_object, compare_runs, to_text

    found = compare_runs([resolve_run(runs_dir, run) for run in runs], test=test)
    click.echo(json.dumps(as_object(found), ensure_ascii=False) if as_json else to_text(found))


@click.command()
@click.option("--all", "everything", is_flag=True, help="Print the checks that found nothing odd as well.")
@runs_option
@json_option
def audit(everything: bool, runs_dir: Path, as_json: bool) -> None:
    """Check the published tables, and the stored runs, by arithmetic alone."""
    from ..audit import check_run
    from ..runs import find_runs
    from .findings import as_objects, to_text
    from .published import audit_paper

    findings = audit_paper() + [finding for run in find_runs(runs_dir, notify) for finding in check_run(run)]
    click.echo(
        json.dumps(as_objects(findings), ensure_ascii=False) if as_json else to_text(findings, everything=everything)
    )
