"""`mrbench runs`: list stored runs, and delete what is no longer wanted; imports no torch."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..errors import UsageError
from .flags import Commands, json_option, line_width, print_result, runs_option

_UNITS = {"h": 3600, "d": 86400, "w": 7 * 86400}


class Age(click.ParamType):
    """A span of time in hours, days or weeks, in seconds."""

    name = "N[h|d|w]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType`."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d+)([hdw])", value)
        if not match:
            self.fail(f"'{value}' is no span of time; write hours, days or weeks: 12h, 30d, 8w", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that select runs by what they are."""
    for option in (
        click.option("--incomplete", is_flag=True, help="Only runs without a result: unfinished or damaged."),
        click.option("--decoder", "-d", metavar="NAME", help="Only runs of this decoder."),
        click.option("--model", "-m", metavar="NAME", help="Only runs of this model."),
        click.option("--data", metavar="NAME", help="Only runs on this dataset."),
    ):
        command = option(command)
    return command


yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Print what would be deleted, and exit.")


@click.group(cls=Commands, invoke_without_command=True)
@filter_options
@click.option(
    "--sort",
    metavar="ORDER",
    default="age",
    show_default=True,
    help="age, data, model, decoder, users, disk (the youngest or largest first), or a metric (the best first).",
)
@runs_option
@json_option
@click.pass_context
def runs(context: click.Context, runs_dir: Path, sort: str, as_json: bool, **filters: Any) -> None:
    """List stored runs, finished or not, or delete some.

    \b
    mrbench runs --data arts --sort ndcg@10
    mrbench runs rm --incomplete --older-than 30d

    A name stands for all its options; NAME:key=value,... is one choice of them.
    """
    if context.invoked_subcommand:
        set_here = [p for p in context.params if context.get_parameter_source(p) is ParameterSource.COMMANDLINE]
        if set_here:
            raise UsageError(f"the options of `mrbench runs {context.invoked_subcommand}` stand after its name")
        return
    from ..metrics.names import canonical_metric
    from ..report.run_list import ORDERS, SHOWN_METRICS, list_text, list_values, sort_entries
    from ..store.entries import find_entries, select_entries

    entries = sort_entries(select_entries(find_entries(runs_dir), **filters), sort)
    shown = dict.fromkeys([*SHOWN_METRICS, *([] if sort in ORDERS else [canonical_metric(sort, "--sort")])])
    print_result(list_values(entries), list_text(entries, metrics=list(shown), width=line_width()), as_json)


@runs.command()
@click.argument("names", metavar="RUN...", nargs=-1)
@filter_options
@click.option("--older-than", type=Age(), help="Only runs that have not changed for so long: 12h, 30d, 8w.")
@dry_run_option
@yes_option
@runs_option
def rm(
    names: tuple[str, ...], older_than: float | None, dry_run: bool, yes: bool, runs_dir: Path, **filters: Any
) -> None:
    """Delete the named runs, or all that the options select; asks first.

    Fitted models stay: `mrbench runs clean` deletes those that no run needs.
    """
    from ..report.run_list import list_text
    from ..store.entries import find_entries, name_entries, select_entries
    from ..store.removal import remove_run

    if not names and older_than is None and not any(filters.values()):
        raise UsageError("no runs are named; name some, or say which with --data, --incomplete or --older-than")
    entries = list(find_entries(runs_dir))
    entries = select_entries(name_entries(runs_dir, entries, names) if names else entries, **filters)
    if older_than is not None:
        entries = [entry for entry in entries if time.time() - entry.changed > older_than]
    click.echo(list_text(entries, width=line_width()))
    if not dry_run and _confirmed(f"{len(entries)} run{'s' if len(entries) != 1 else ''}", len(entries), yes):
        for entry in entries:
            remove_run(entry.path)
            click.echo(f"deleted {entry.path}")


@runs.command()
@dry_run_option
@yes_option
@runs_option
def clean(dry_run: bool, yes: bool, runs_dir: Path) -> None:
    """Delete what no run needs; asks first.

    That is fitted models that no run decodes with, unfinished trainings among them; shards that a process left which
    was killed when its run was done; locks of what is gone; and empty folders.
    """
    from ..report.run_list import bytes_text
    from ..report.text_table import format_columns
    from ..store.removal import find_leftovers, remove_leftovers

    leftovers = find_leftovers(runs_dir)
    rows = [(leftover.kind, bytes_text(leftover.bytes), str(leftover.path)) for leftover in leftovers]
    total = bytes_text(sum(leftover.bytes for leftover in leftovers))
    click.echo("\n".join([*format_columns(rows, n_left=3), f"{total} in all"]) if rows else "nothing to delete")
    if not dry_run and _confirmed(f"all this, {total}", len(leftovers), yes):
        remove_leftovers(leftovers, runs_dir)
        click.echo(f"deleted {total}")


def _confirmed(what: str, count: int, yes: bool) -> bool:
    """Whether the user wants these things deleted; no where there are none."""
    if yes or not count:
        return bool(count)
    try:
        confirmed = click.confirm(f"delete {what}?", err=True)
    except click.Abort:
        raise UsageError("nothing was deleted: nobody answered; give --yes") from None
    if not confirmed:
        click.echo("nothing was deleted", err=True)
    return confirmed
