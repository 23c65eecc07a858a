"""`mrbench figure`: figures from stored runs; imports no torch."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import notify, runs_option


@click.command()
@click.argument("name", metavar="NAME|FILE.toml")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="The folder for the files.")
@runs_option
def figure(name: str, out: Path, runs_dir: Path) -> None:
    """Draw a figure of the paper from stored runs: PNG, SVG, PDF, and its data as CSV.

    What is missing is named with the commands that fill it.
    """
    from ..report.figures.figure import build_figure
    from ..report.figures.save import save_figure
    from ..report.table_spec_io import load_table
    from ..store.runs import find_runs

    built = build_figure(load_table(name), find_runs(runs_dir, notify))
    for path in save_figure(built, out):
        click.echo(path)
    for line in built.missing:
        notify(line)
