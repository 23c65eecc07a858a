"""The commands about data: `data show`, `fetch`, `import` and `validate` (`tokenize` is in a room of its own)."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .errors import DataError
from .flags import Commands, data_dir_option, json_option, notify
from .tokenize.command import tokenize

PATH = click.Path(path_type=Path)


@click.group(cls=Commands)
def data() -> None:
    """Show, fetch, import and check data sets, and give items semantic IDs."""


data.add_command(tokenize)


@data.command()
@click.argument("name", default="arts-sim")
@click.option("--samples", "count", type=click.IntRange(min=0), default=3, show_default=True, help="Users to show.")
@data_dir_option
@json_option
def show(name: str, count: int, data_dir: Path | None, as_json: bool) -> None:
    """Print what a data set holds: the first 5,000 users, the whole file, the paper's Table 1, some histories."""
    from .data import samples, stats
    from .data.known import resolve
    from .report.text import aligned

    _, source = resolve(name, data_dir)
    whole = source.load(data_dir, users=None, notify=notify)
    first = source.load(data_dir, users=stats.PAPER_USERS, notify=notify)
    found = {"first_users": stats.statistics(first), "whole": stats.statistics(whole)}
    seen = samples.samples(first, count)
    if as_json:
        click.echo(json.dumps({**found, "samples": seen}, ensure_ascii=False))
        return
    heading = ("", f"first {stats.PAPER_USERS:,} users", "whole file", "paper, first", "paper, whole")
    table = aligned([heading, *stats.rows(found["first_users"], found["whole"])])
    notes = [f"note: {note}" for note in found["whole"]["notes"]]
    shown = ["", *samples.lines(seen)] if seen else []
    click.echo("\n".join([found["whole"]["name"], *table, *notes, *shown]))


@data.command()
@click.argument("name")
@data_dir_option
def fetch(name: str, data_dir: Path | None) -> None:
    """Download one of the paper's data sets from its public hub repository."""
    from .data.known import download

    click.echo(download(name, data_dir=data_dir, notify=notify))


@data.command("import")
@click.argument("interactions", type=PATH)
@click.option("--name", required=True, help="What to call it; `--data NAME` then finds it.")
@click.option("--items", type=PATH, help="A file of titles, descriptions, brands and categories.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="Which column is user, item, timestamp or rating, or in the file of items id, title, description, brand or "
    "categories.  [default: by usual names]",
)
@click.option(
    "--k-core", "core", type=int, default=5, show_default=True, help="Fewest interactions of each user and item."
)
@click.option("--min-rating", type=float, help="Leave out what is rated lower.")
@click.option(
    "--duplicates",
    type=click.Choice(["drop", "first", "keep"]),
    default="drop",
    show_default=True,
    help="Drop rows equal in user, item and time; keep the first of a user and an item; keep all.",
)
@click.option("--file-order", is_flag=True, help="Rows are in time order; look at no timestamps.")
@click.option("--no-header", "has_header", flag_value=False, default=True, help="Columns of INTERACTIONS are 1, 2, ...")
@click.option("--replace", is_flag=True, help="Replace a data folder of this name, its semantic IDs included.")
@data_dir_option
@json_option
def import_(columns: Sequence[str], data_dir: Path | None, as_json: bool, **flags: Any) -> None:
    """Turn a table of interactions, and one of items, into a data set.

    Both files may be CSV, TSV, JSON lines or Parquet; text may be gzipped. The new folder NAME goes to --data-dir, else
    to $MRBENCH_DATA, else to ./data. Users and items are numbered; their own ids are kept and used in what is exported.

    \b
    mrbench data import reviews.csv --items products.jsonl.gz --name shop
    mrbench data import u.data --no-header --column user=1 --column item=2 --column timestamp=4 --name movies
    """
    from .importing.columns import parse_columns
    from .importing.importer import Import, run_import
    from .importing.report import lines

    asked = Import(columns=parse_columns(columns), **flags)
    folder, report = run_import(asked, data_dir=data_dir, notify=notify)
    there = ["--data-dir", str(data_dir)] if data_dir else []
    again = shlex.join(["mrbench", "data", "tokenize", asked.name, *there])
    text = "\n".join([*lines(report), "", str(folder), f"next: {again}"])
    click.echo(json.dumps({**report, "folder": str(folder)}, ensure_ascii=False) if as_json else text)


@data.command()
@click.argument("name_or_path")
@data_dir_option
@json_option
def validate(name_or_path: str, data_dir: Path | None, as_json: bool) -> None:
    """Check a data folder and say all that is wrong with it at once; exit code 3 if it can't be used."""
    from .data.known import folder_of
    from .data.validate import validate as check

    found = check(folder_of(name_or_path, data_dir))
    errors, remarks = found.error_lines, found.remarks.lines()
    if as_json:
        click.echo(json.dumps({**found.counts, "errors": errors, "remarks": remarks}, ensure_ascii=False))
    else:
        counts = ", ".join(f"{count:,} {what}" for what, count in found.counts.items())
        marked = [*(f"error: {line}" for line in errors), *(f"remark: {line}" for line in remarks)]
        click.echo("\n".join([f"{os.path.normpath(found.folder)}: {counts}", *marked]))
    if errors:
        kinds = "1 error" if len(errors) == 1 else f"{len(errors)} kinds of errors"
        raise DataError(f"{found.folder} can't be used: {kinds}, listed above; correct them and validate it again")
