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
    """Print a finished run, named by its id (or the start of it) or its folder."""
    from ..report.run_text import result_text
    from ..store.runs import resolve_run

    summary = resolve_run(runs_dir, run)
    print_result(summary, f"{result_text(summary)}\n\n{summary['command']}\n{summary['path']}", as_json)
