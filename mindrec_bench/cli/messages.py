"""Where the messages of a command go: what any package logs is printed on stderr, and stdout is for results only."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..plugins import registry


class MessageHandler(logging.Handler):
    """Prints messages as plain lines, on the stderr that there is when they are logged.

    Attributes:
        quiet: print nothing.
    """

    quiet = False

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if self.quiet:
            return
        try:
            click.echo(self.format(record), err=True)
        except Exception:
            self.handleError(record)


@contextmanager
def messages_on_stderr() -> Iterator[MessageHandler]:
    """Print warnings of every package, and progress of this one and of packages with plugins, during the block."""
    loggers = {logging.getLogger(name): logging.INFO for name in ("mindrec_bench", *registry.packages())}
    loggers[logging.root] = logging.WARNING
    before = {logger: logger.level for logger in loggers}
    handler = MessageHandler()
    logging.root.addHandler(handler)
    for logger, level in loggers.items():
        logger.setLevel(level)
    try:
        yield handler
    finally:
        logging.root.removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)


def hide_messages(quiet: bool) -> None:
    """Print no messages of the running command where it is quiet."""
    handler = click.get_current_context().find_object(MessageHandler)
    if handler is not None:
        handler.quiet = quiet
