"""`mrbench data`: commands about datasets."""

from __future__ import annotations

import click

from ..flags import CommandModules, Commands

NAMES = ("show", "fetch", "import", "validate", "audit", "tokenize", "rm")
"""The commands."""


@click.group(cls=Commands, commands=CommandModules(__name__, NAMES))
def data() -> None:
    """Show, fetch, import, check, audit and delete datasets, and give items semantic IDs."""
