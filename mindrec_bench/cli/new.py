"""`mrbench new`: start a package with a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import Commands, FilePath


@click.group(cls=Commands)
def new() -> None:
    """Write the start of a plugin package of your own."""


out_option = click.option(
    "--out",
    type=FilePath(),
    default=Path(),
    help="The folder in which to make the folder NAME.  [default: here]",
)


@new.command("decoder")
@click.argument("name")
@out_option
def new_decoder(name: str, out: Path) -> None:
    """Write a small installable package with a working decoder, its test and a README."""
    from ..plugins.scaffold import DECODER, new_package

    click.echo(new_package(DECODER, name, out))


@new.command("backbone")
@click.argument("name")
@click.option(
    "--capability",
    type=click.Choice(["items", "denoiser"]),
    default="items",
    show_default=True,
    help="What the network answers: a score for every item, or the codes of masked slots.",
)
@out_option
def new_backbone(name: str, capability: str, out: Path) -> None:
    """Write a small installable package with a working backbone, its training, its tests and a README."""
    from ..plugins.scaffold import BACKBONES, new_package

    click.echo(new_package(BACKBONES[capability], name, out))
