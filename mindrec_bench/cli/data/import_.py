"""`mrbench data import`: turn tables of interactions and items into a data set."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..flags import data_dir_option, json_option, notify

PATH = click.Path(path_type=Path)


@click.command("import")
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
    from ...data.importing.columns import parse_columns
    from ...data.importing.importer import Import, run_import
    from ...data.importing.report import lines

    asked = Import(columns=parse_columns(columns), **flags)
    folder, report = run_import(asked, data_dir=data_dir, notify=notify)
    there = ["--data-dir", str(data_dir)] if data_dir else []
    again = shlex.join(["mrbench", "data", "tokenize", asked.name, *there])
    text = "\n".join([*lines(report), "", str(folder), f"next: {again}"])
    click.echo(json.dumps({**report, "folder": str(folder)}, ensure_ascii=False) if as_json else text)
