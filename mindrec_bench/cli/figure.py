"""`mrbench figure`: draw figures from stored runs; imports no torch."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from .flags import runs_option

logger = logging.getLogger(__name__)


@click.command()
@click.argument("name", metavar="NAME|FILE.toml")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path(), help="The folder for the files.  [default: here]"
)
@runs_option
def figure(name: str, out: Path, runs_dir: Path) -> None:
    """Draw a figure from stored runs: PNG, SVG and PDF, and its data as CSV.

    Points without a run are listed with the commands that make them.
    """
    from ..report.figures.figure import build_figure
    from ..report.figures.save import save_figure
    from ..report.table_spec_io import load_table_spec
    from ..store.runs import find_runs

    figure = build_figure(load_table_spec(name), find_runs(runs_dir))
    for path in save_figure(figure, out):
        click.echo(path)
    for line in figure.missing:
        logger.info(line)
