"""`mrbench new`: start a package with a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import Commands


@click.group(cls=Commands)
def new() -> None:
    """Start a package of your own."""


@new.command("decoder")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Where to create the folder NAME.")
def new_decoder(name: str, out: Path) -> None:
    """Write a small installable package with a working decoder, its test and a README."""
    from ..plugins.scaffold import new_decoder

    click.echo(new_decoder(name, out))
