"""`mrbench show`: print a finished run."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import json_option, print_result, runs_option


@click.command()
@click.argument("run")
@runs_option
@json_option
def show(run: str, runs_dir: Path, as_json: bool) -> None:
    """Print a finished run; RUN is its id, the start of its id, or its folder."""
    from ..report.run_text import run_text
    from ..store.runs import find_run

    found = find_run(runs_dir, run)
    print_result(found.as_dict(), f"{run_text(found)}\n\n{found.summary.command}\n{found.path}", as_json)
