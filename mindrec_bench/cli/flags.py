"""What the commands share: flags, a number of users, where notices go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

ALL = "all"


class Users(click.ParamType):
    """A number of users, or `all` (None in Python)."""

    name = "N|all"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """See `click.ParamType`."""
        if value is None or value == ALL:
            return None
        try:
            return int(value)
        except ValueError:
            self.fail(f"'{value}' is neither a number nor '{ALL}'", param, ctx)


class Commands(click.Group):
    """A group that lists its commands with the whole first sentence of each."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See `click.Group`, which cuts the sentences to a line."""
        rows = [(name, command.get_short_help_str(10_000)) for name, command in sorted(self.commands.items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def notify(line: str) -> None:
    """Print a notice on stderr; results alone go to stdout."""
    click.echo(line, err=True)


def print_result(value: Any, text: str, as_json: bool) -> None:
    """Print a result on stdout, as JSON or as text."""
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else text)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
runs_option = click.option(
    "--runs-dir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="The run store."
)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Where data folders are; else $MRBENCH_DATA, ./data, the per-user cache.",
)
test_option = click.option(
    "--test",
    type=click.Choice(["randomisation", "t", "wilcoxon"]),
    default="randomisation",
    show_default=True,
    help="For NDCG, and for HR over several seeds; HR of one seed has exact McNemar.",
)
