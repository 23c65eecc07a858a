"""`mrbench blend`: mix the stored lists of two runs; imports no torch."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import json_option, print_result, runs_option


@click.command()
@click.argument("first", metavar="RUN")
@click.argument("second", metavar="RUN")
@runs_option
@json_option
def blend(first: str, second: str, runs_dir: Path, as_json: bool) -> None:
    """Mix the lists of two runs and report the mixture beside both.

    The weight is chosen on the validation runs of the same two systems (`mrbench run ... --split valid`). Longer lists
    mix better: run with --beam 50. A RUN is the id of a run, the start of its id, or its folder.
    """
    from ..report.blend import blend_runs, find_validation_run, to_dict, to_text
    from ..store.runs import find_run

    runs = find_run(runs_dir, first), find_run(runs_dir, second)
    result = blend_runs(runs, (find_validation_run(runs[0], runs_dir), find_validation_run(runs[1], runs_dir)))
    print_result(to_dict(result), to_text(result), as_json)
