"""`mrbench export`: write the rankings of a run for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .flags import FilePath, data_dir_option, plain_csv_option, runs_option


@click.command()
@click.argument("run")
@click.option(
    "--format",
    "export_format",
    type=click.Choice(["trec", "ranx", "parquet", "items-csv", "items-parquet", "items-jsonl"]),
    default="trec",
    show_default=True,
    help="The format; items-* is one file with your own ids of users and items, and titles.",
)
@click.option("--out", type=FilePath(), default=Path(), help="The folder for the files.  [default: here]")
@plain_csv_option
@data_dir_option
@runs_option
def export(run: str, export_format: Any, out: Path, plain_csv: bool, data_dir: Path | None, runs_dir: Path) -> None:
    """Write a run's rankings and the true items for trec_eval, ranx or others, or the recommended items for people.

    \b
    mrbench export 1a2b3c --format trec
    mrbench export 1a2b3c --format items-csv --out lists

    RUN is the id of a run, the start of its id, or its folder.
    """
    from ..interchange.export import export_run
    from ..interchange.export_items import export_items
    from ..store.runs import find_run

    stored = find_run(runs_dir, run)
    if export_format.startswith("items-"):
        click.echo(export_items(stored, export_format, out, data_dir=data_dir, quote_formulas=not plain_csv))
        return
    for path in export_run(stored, export_format, out, data_dir=data_dir):
        click.echo(path)
