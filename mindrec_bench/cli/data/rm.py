"""`mrbench data rm`: delete a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from ...errors import UsageError
from ..flags import data_dir_option


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_dir_option
def rm(name: str, yes: bool, data_dir: Path | None) -> None:
    """Delete the folder of a dataset, with its semantic IDs; asks first.

    A folder in $MRBENCH_DATA is deleted only where --data-dir names it. Runs on the data stay.
    """
    from ...data.remove import describe_removal, find_removable, remove_data

    folder = find_removable(name, data_dir)
    if not yes:
        try:
            confirmed = click.confirm(f"delete {describe_removal(folder)}?", err=True)
        except click.Abort:
            raise UsageError(f"{folder} was not deleted: nobody answered; give --yes") from None
        if not confirmed:
            click.echo(f"{folder} was not deleted", err=True)
            return
    remove_data(folder)
    click.echo(f"deleted {folder}")
