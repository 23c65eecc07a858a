"""`mrbench figure`: draw figures from stored runs; imports no torch."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from ..errors import UsageError
from .flags import FilePath, runs_option

logger = logging.getLogger(__name__)

CURVE = "curve"


@click.command()
@click.argument("name", metavar="NAME|FILE.toml|curve")
@click.argument("runs", metavar="[RUN]...", nargs=-1)
@click.option("--out", type=FilePath(), default=Path(), help="The folder for the files.  [default: here]")
@runs_option
def figure(name: str, runs: tuple[str, ...], out: Path, runs_dir: Path) -> None:
    """Draw a figure from stored runs: PNG, SVG and PDF, and its data as CSV.

    \b
    mrbench figure fig5 --out pictures
    mrbench figure curve RUN RUN --out pictures    # the losses of their trainings

    Points without a run are listed with the commands that make them.
    """
    from ..store.runs import find_run, find_runs

    if name == CURVE:
        from ..report.figures.curve import save_curves, training_curves

        if not runs:
            raise UsageError("a training curve is of runs; name some: mrbench figure curve RUN...")
        for path in save_curves(training_curves([find_run(runs_dir, run) for run in runs]), out):
            click.echo(path)
        return
    if runs:
        raise UsageError(f"the figure '{name}' finds its runs itself; leave out {' '.join(runs)}")
    from ..report.figures.figure import build_figure
    from ..report.figures.save import save_figure
    from ..report.table_spec_io import load_table_spec

    figure = build_figure(load_table_spec(name), find_runs(runs_dir))
    for path in save_figure(figure, out):
        click.echo(path)
    for line in figure.missing:
        logger.info(line)
