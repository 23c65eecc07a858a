"""`mrbench compare`: stored runs tested against the first one; imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .flags import json_option, runs_option, test_option


@click.command()
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True)
@test_option
@runs_option
@json_option
def compare(runs: Sequence[str], test: Any, runs_dir: Path, as_json: bool) -> None:
    """Compare stored runs with the first one, every metric tested over the same users.

    A run is named by its id, the start of it, or its folder.
    """
    from ..report.compare import as_object, compare_runs, to_text
    from ..store.runs import resolve_run

    found = compare_runs([resolve_run(runs_dir, run) for run in runs], test=test)
    click.echo(json.dumps(as_object(found), ensure_ascii=False) if as_json else to_text(found))
