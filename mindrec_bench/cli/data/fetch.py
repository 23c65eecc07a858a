"""`mrbench data fetch`: download a dataset of the paper."""

from __future__ import annotations

from pathlib import Path

import click

from ..flags import FilePath


@click.command()
@click.argument("name")
@click.option("--revision", help="A branch, tag or commit of the repository.  [default: its default branch]")
@click.option(
    "--data-dir",
    type=FilePath(),
    help="Where the new folder goes.  [default: the per-user cache, unless $MRBENCH_DATA or ./data has the dataset]",
)
def fetch(name: str, revision: str | None, data_dir: Path | None) -> None:
    """Download one of the paper's datasets from its public hub repository, and record revision and hashes."""
    from ...data.sources import download_data

    click.echo(download_data(name, data_dir=data_dir, revision=revision))
