"""`mrbench export`: write the rankings of a run for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .flags import data_dir_option, notify, runs_option


@click.command()
@click.argument("run")
@click.option("--format", "form", type=click.Choice(["trec", "ranx", "parquet"]), default="trec", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="The folder for the two files.")
@data_dir_option
@runs_option
def export(run: str, form: Any, out: Path, data_dir: Path | None, runs_dir: Path) -> None:
    """Write a run's rankings and the true items for trec_eval, ranx, or anything that reads Parquet."""
    from ..interchange.export import export_run
    from ..store.runs import resolve_run

    for path in export_run(resolve_run(runs_dir, run), form, out, data_dir=data_dir, notify=notify):
        click.echo(path)
