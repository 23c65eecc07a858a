"""`mrbench show`: print a finished run, the latest ones, or what a run did for one user."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..experiment.config import ExecutionOptions
from .config_options import config_options, split_options
from .flags import json_option, k_option, line_width, print_result, require_reachable

if TYPE_CHECKING:
    from ..experiment.user_trace import UserTrace
    from ..store.runs import Run

logger = logging.getLogger(__name__)

LATEST = 10
"""How many runs are listed where none is named."""


@click.command()
@click.argument("run", required=False)
@click.option("--user", help="Explain the results of this user of the data, by its own id.")
@config_options(ExecutionOptions, only=("runs_dir", "data_dir", "device"))
@k_option
@json_option
def show(run: str | None, user: str | None, ks: tuple[int, ...], as_json: bool, **flags: Any) -> None:
    """Print a finished run; RUN is its id, the start of its id, or its folder. Without RUN, list the latest ten.

    \b
    mrbench show 1a2b3c
    mrbench show 1a2b3c --user anna    # what was recommended, from the first category to the item, and why

    With --user, the user is decoded again with the fitted model, which must be in the run store, unless
    `mrbench run --trace` kept what is needed.
    """
    from ..store.runs import find_run

    _, execution = split_options(flags, ExecutionOptions)
    options = ExecutionOptions(**execution)
    if run is None:
        if user is not None:
            raise UsageError("--user explains the results of one run; name it: mrbench show RUN --user USER")
        _show_latest(options.runs_dir, as_json)
        return
    found = find_run(options.runs_dir, run)
    if user is None:
        from ..report.run_text import run_text
        from ..store.runs import DamagedRunError

        require_reachable(ks, found.spec.beam, f"the lists of run {found.id}")
        try:
            found.check_files()
        except DamagedRunError as error:
            logger.warning(f"{error}")
        print_result(found.as_dict(ks), f"{run_text(found, ks)}\n\n{found.summary.command}\n{found.path}", as_json)
        return
    from ..report.user_text import user_text

    trace = _trace(found, user, options)
    summary = found.summary
    print_result(asdict(trace), user_text(trace, f"{summary.model} x {summary.decoder} on {summary.data}"), as_json)


def _show_latest(runs_dir: Path, as_json: bool) -> None:
    from ..report.run_list import list_text, list_values, sort_entries
    from ..store.entries import find_entries

    entries = list(find_entries(runs_dir))
    latest = sort_entries(entries, "age")[:LATEST]
    more = f"\n{len(entries) - LATEST:,} more: mrbench runs" if len(entries) > LATEST else ""
    print_result(list_values(latest), list_text(latest, width=line_width()) + more, as_json)


def _trace(run: Run, user: str, options: ExecutionOptions) -> UserTrace:
    """The trace that was kept, or a new one."""
    from ..experiment.user_trace import read_traces

    kept = read_traces(run)
    if user in kept:
        return kept[user]
    from ..experiment.fitted_run import set_up_again
    from ..experiment.user_trace import trace_users

    return next(trace_users(set_up_again(run, options), [user]))
