"""`mrbench compare`: test stored runs against the first one; imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .flags import json_option, k_option, print_result, runs_option, test_option


@click.command()
@click.argument("runs", metavar="RUN RUN...", nargs=-1, required=True)
@test_option
@k_option
@runs_option
@json_option
def compare(runs: Sequence[str], test: Any, ks: tuple[int, ...], runs_dir: Path, as_json: bool) -> None:
    """Compare stored runs with the first one: every metric is tested over the same users.

    A RUN is the id of a run, the start of its id, or its folder.
    """
    from ..report.compare import compare_runs, to_dict, to_text
    from ..store.runs import find_run

    comparison = compare_runs([find_run(runs_dir, run) for run in runs], test=test, ks=ks)
    print_result(to_dict(comparison), to_text(comparison), as_json)
