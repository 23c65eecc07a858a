"""`mrbench data fetch`: download a dataset of the paper."""

from __future__ import annotations

from pathlib import Path

import click

from ..flags import data_dir_option


@click.command()
@click.argument("name")
@data_dir_option
def fetch(name: str, data_dir: Path | None) -> None:
    """Download one of the paper's datasets from its public hub repository."""
    from ...data.sources import download_data

    click.echo(download_data(name, data_dir=data_dir))
