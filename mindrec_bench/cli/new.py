"""`mrbench new`: start a package with a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import Commands


@click.group(cls=Commands)
def new() -> None:
    """Write the start of a plugin package of your own."""


@new.command("decoder")
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The folder in which to make the folder NAME.  [default: here]",
)
def new_decoder(name: str, out: Path) -> None:
    """Write a small installable package with a working decoder, its test and a README."""
    from ..plugins.scaffold import new_decoder

    click.echo(new_decoder(name, out))
