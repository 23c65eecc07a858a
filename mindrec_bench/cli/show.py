"""`mrbench show`: print a finished run, or the latest ones."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import json_option, k_option, print_result, runs_option

LATEST = 10
"""How many runs are listed where none is named."""


@click.command()
@click.argument("run", required=False)
@k_option
@runs_option
@json_option
def show(run: str | None, ks: tuple[int, ...], runs_dir: Path, as_json: bool) -> None:
    """Print a finished run; RUN is its id, the start of its id, or its folder. Without RUN, list the latest ten."""
    if run is None:
        from ..report.run_list import list_text, list_values, sort_entries
        from ..store.entries import find_entries

        entries = list(find_entries(runs_dir))
        latest = sort_entries(entries, "age")[:LATEST]
        more = f"\n{len(entries) - LATEST:,} more: mrbench runs" if len(entries) > LATEST else ""
        print_result(list_values(latest), list_text(latest) + more, as_json)
        return
    from ..report.run_text import run_text
    from ..store.runs import find_run

    found = find_run(runs_dir, run)
    print_result(found.as_dict(ks), f"{run_text(found, ks)}\n\n{found.summary.command}\n{found.path}", as_json)
