"""The `mrbench` command line: one file per command. Commands import slow packages when they run."""

from __future__ import annotations

import io
import sys
import traceback

import click

from ..errors import MrbenchError
from ..plugins.messages import messages_on_stderr
from .flags import CommandModules, Commands

INTERRUPTED_CODE = 130
DEBUG_FLAG = "--debug"

NAMES = (
    *(
        "run",
        "fit",
        "show",
        "runs",
        "list",
        "table",
        "figure",
        "compare",
        "blend",
        "audit",
        "score",
        "export",
        "recommend",
    ),
    *("report", "sweep", "bench", "data", "doctor", "new", "migrate"),
)
"""The commands."""


@click.group(
    cls=Commands,
    commands=CommandModules(__package__, NAMES),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="mindrec-bench", prog_name="mrbench")
@click.pass_context
def cli(context: click.Context) -> None:
    """Compare decoders and baselines for generative recommendation, and trust the answer.

    \b
    mrbench run --model llada --decoder dbs-penalty               # on the built-in simulation
    mrbench run --model markov --decoder dbs-penalty --data arts  # on real data, in seconds
    mrbench list

    With --debug anywhere on the command line, an error shows its traceback.

    Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 data or weights missing or broken, 130 interrupted.
    """
    context.obj = context.with_resource(messages_on_stderr())


def main() -> None:
    """Run the command line; errors end with one sentence on stderr and a documented exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # the names of files may hold bytes that are no text
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG_FLAG]
    debug = len(arguments) < len(sys.argv) - 1
    try:
        sys.exit(cli.main(arguments, prog_name="mrbench", standalone_mode=False))
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; the same command continues from what is done", err=True)
        sys.exit(INTERRUPTED_CODE)
    except Exception as error:
        if debug:
            traceback.print_exc()
        code = error.exit_code if isinstance(error, MrbenchError) else 1
        details = "" if debug else " (repeat with --debug for the details)"
        prefix = "" if isinstance(error, MrbenchError) else f"unexpected error{details}: "
        click.echo(f"mrbench: {prefix}{error or type(error).__name__}", err=True)
        sys.exit(code)
