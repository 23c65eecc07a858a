"""Messages on stderr: what this package and the packages with plugins log, for a command line and for notebooks."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..io.printable import printable


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
            print(printable(self.format(record)), file=sys.stderr, flush=True)
        except Exception:
            self.handleError(record)


@contextmanager
def messages_on_stderr() -> Iterator[MessageHandler]:
    """Print warnings of every package, and progress of this one and of packages with plugins, during the block."""
    from . import registry

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


def discard_messages() -> None:
    """Print none of what these packages log in this process: Python prints warnings that nobody handles.

    Handlers that the user has set up get them all the same.
    """
    from . import registry

    for name in ("mindrec_bench", *registry.packages()):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())
