"""`mrbench migrate`: carry a run store of an earlier version over."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .flags import FilePath, data_dir_option, runs_option


@click.command()
@click.argument("source", type=FilePath(exists=True, file_okay=False))
@runs_option
@data_dir_option
def migrate(source: Path, runs_dir: Path, data_dir: Path | None) -> None:
    """Copy runs that an earlier version stored, under the ids that they have today, and fitted models of any store.

    SOURCE is the other run store; it stays as it is. Every file is checked first.
    """
    from ..interchange.migrate import migrate

    done = migrate(source, runs_dir, data_dir=data_dir)
    runs, fits = _count(len(done.runs), "run"), _count(len(done.fits), "fitted model")
    click.echo(f"in {runs_dir}: {runs} and {fits}")
    if done.current:
        click.echo(f"{_count(done.current, 'run')} of this version: copy the folders, which need no other ids")
    for reason in done.left_out:
        click.echo(f"left out: {reason}", err=True)
    sys.exit(1 if done.left_out else 0)


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
