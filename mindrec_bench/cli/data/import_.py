"""`mrbench data import`: turn tables of interactions and items into a dataset."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..flags import data_dir_option, json_option, print_result

PATH = click.Path(path_type=Path)


@click.command("import")
@click.argument("interactions", type=PATH)
@click.option("--name", required=True, help="Name of the new dataset, for `--data NAME`.")
@click.option("--items", type=PATH, help="A file with titles, descriptions, brands and categories.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="The column of a role: user, item, timestamp or rating, or in the file of items id, title, description, brand "
    "or categories.  [default: recognised by common names]",
)
@click.option(
    "--k-core",
    "core",
    type=int,
    default=5,
    show_default=True,
    help="Leave out users and items with fewer interactions, repeatedly.",
)
@click.option("--min-rating", type=float, help="Leave out interactions with a lower rating.")
@click.option(
    "--duplicates",
    type=click.Choice(["drop", "first", "keep"]),
    default="drop",
    show_default=True,
    help="Repeated rows: drop those equal in user, item and time; keep the first of a user and an item; keep all.",
)
@click.option("--file-order", is_flag=True, help="Rows are in time order; timestamps are not read.")
@click.option("--no-header", "has_header", flag_value=False, default=True, help="Columns of INTERACTIONS are 1, 2, ...")
@click.option("--replace", is_flag=True, help="Replace an imported data folder, including its semantic IDs.")
@data_dir_option
@json_option
def import_(columns: Sequence[str], data_dir: Path | None, as_json: bool, **flags: Any) -> None:
    """Turn a table of interactions, and one of items, into a dataset.

    Both files may be CSV, TSV, JSON lines or Parquet; text may be gzipped. The new folder NAME goes to --data-dir, else
    to $MRBENCH_DATA, else to ./data. Users and items are numbered; their own ids are kept and used in what is exported.

    \b
    mrbench data import reviews.csv --items products.jsonl.gz --name shop
    mrbench data import u.data --no-header --column user=1 --column item=2 --column timestamp=4 --name movies
    """
    from ...data.importing.columns import parse_columns
    from ...data.importing.import_report import format_report
    from ...data.importing.importer import ImportOptions, import_dataset

    options = ImportOptions(columns=parse_columns(columns), **flags)
    folder, report = import_dataset(options, data_dir=data_dir)
    location = ["--data-dir", str(data_dir)] if data_dir else []
    next_command = shlex.join(["mrbench", "data", "tokenize", options.name, *location])
    text = "\n".join([*format_report(report), "", str(folder), f"next: {next_command}"])
    print_result({**report, "folder": str(folder)}, text, as_json)
