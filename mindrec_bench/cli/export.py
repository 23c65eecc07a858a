"""`mrbench export`: write the rankings of a run for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .flags import data_dir_option, runs_option


@click.command()
@click.argument("run")
@click.option(
    "--format",
    "export_format",
    type=click.Choice(["trec", "ranx", "parquet"]),
    default="trec",
    show_default=True,
    help="The format of both files.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path(), help="The folder for the two files.  [default: here]"
)
@data_dir_option
@runs_option
def export(run: str, export_format: Any, out: Path, data_dir: Path | None, runs_dir: Path) -> None:
    """Write a run's rankings and the true items for trec_eval, ranx, or any tool that reads Parquet.

    RUN is the id of a run, the start of its id, or its folder.
    """
    from ..interchange.export import export_run
    from ..store.runs import find_run

    for path in export_run(find_run(runs_dir, run), export_format, out, data_dir=data_dir):
        click.echo(path)
