"""`mrbench data`: commands about datasets."""

from __future__ import annotations

import click

from ..flags import Commands
from .fetch import fetch
from .import_ import import_
from .show import show
from .tokenize import tokenize
from .validate import validate


@click.group(cls=Commands)
def data() -> None:
    """Show, fetch, import and check datasets, and give items semantic IDs."""


for command in (show, fetch, import_, validate, tokenize):
    data.add_command(command)
