"""Messages of a command: printed on stderr (`plugins.messages`), unless it is quiet; stdout is for results only."""

from __future__ import annotations

import click

from ..plugins.messages import MessageHandler


def hide_messages(quiet: bool) -> None:
    """Print no messages of the running command where it is quiet."""
    handler = click.get_current_context().find_object(MessageHandler)
    if handler is not None:
        handler.quiet = quiet
