"""The `mrbench` command line: one file per command. Commands import slow packages when they run."""

from __future__ import annotations

import sys
import traceback

import click

from ..errors import MrbenchError
from ..plugins.messages import messages_on_stderr
from .flags import CommandModules, Commands
from .output import printable_streams
from .stopping import MESSAGE, Stopped

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

    Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 data or weights missing or broken, 130 interrupted,
    143 terminated.
    """
    context.obj = context.with_resource(messages_on_stderr())


def main() -> None:
    """Run the command line; errors end with one sentence on stderr and a documented exit code."""
    arguments = [argument for argument in sys.argv[1:] if argument != DEBUG_FLAG]
    with printable_streams():
        sys.exit(_run(arguments, debug=len(arguments) < len(sys.argv) - 1))


def _run(arguments: list[str], *, debug: bool) -> int:
    """The exit code of a command; its errors are printed."""
    try:
        try:
            code = cli.main(arguments, prog_name="mrbench", standalone_mode=False)
        except SystemExit as stop:
            code = stop.code
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as stop:
        if isinstance(stop.__cause__, EOFError):  # click makes an `Abort` of it too, and no user has stopped then
            return _print_error(stop.__cause__, debug)
        stopped = stop if isinstance(stop, Stopped) else stop.__cause__
        click.echo(MESSAGE, err=True)
        return stopped.exit_code if isinstance(stopped, Stopped) else INTERRUPTED_CODE
    except Exception as error:
        return _print_error(error, debug)
    return code if isinstance(code, int) else 0


def _print_error(error: Exception, debug: bool) -> int:
    """Print an error as one sentence; of what is no error for users it names the plugin. Returns the exit code."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, MrbenchError):
        click.echo(f"mrbench: {error}", err=True)
        return error.exit_code
    from ..plugins.registry import plugin_of

    package = plugin_of(error)
    origin = f" in the plugin package '{package}'" if package else ""
    details = "" if debug else " (repeat with --debug for the details)"
    message = " ".join(str(error).split()) or type(error).__name__
    click.echo(f"mrbench: unexpected error{origin}{details}: {message}", err=True)
    return 1
