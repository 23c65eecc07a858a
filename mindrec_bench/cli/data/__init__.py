"""`mrbench data`: commands about datasets."""

from __future__ import annotations

import click

from ..flags import Commands
from .audit import audit
from .fetch import fetch
from .import_ import import_
from .rm import rm
from .show import show
from .tokenize import tokenize
from .validate import validate


@click.group(cls=Commands)
def data() -> None:
    """Show, fetch, import, check, audit and delete datasets, and give items semantic IDs."""


for command in (show, fetch, import_, validate, audit, tokenize, rm):
    data.add_command(command)
