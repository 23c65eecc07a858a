"""`mrbench audit`: check published tables and stored runs by arithmetic; imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from .flags import FilePath, json_option, print_result, runs_option


@click.command()
@click.argument("files", metavar="[FILE.csv]...", nargs=-1, type=FilePath())
@click.option("--all", "show_all", is_flag=True, help="Print the checks that found no problem too.")
@runs_option
@json_option
def audit(files: Sequence[Path], show_all: bool, runs_dir: Path, as_json: bool) -> None:
    """Check the paper's tables and the stored runs for numbers that can't be, by arithmetic alone.

    With FILE.csv only the tables of results in these files: one line a system, its name in the first column, one column
    a metric (HR@5 or Recall@5, NDCG@5), and `data` and `users` where they are known.

    Hits that are no whole number, a metric that falls with k, an entropy or TTR above its bound, and what p-values the
    published differences can have at all.
    """
    from ..report.audit.audit_text import to_dicts, to_text
    from ..report.audit.checks import audit_runs, check_system
    from ..report.audit.published_tables import audit_paper
    from ..report.audit.results_file import read_results
    from ..store.runs import find_runs

    if files:
        findings = [finding for file in files for system in read_results(file) for finding in check_system(system)]
    else:
        findings = audit_paper() + audit_runs(find_runs(runs_dir))
    print_result(to_dicts(findings), to_text(findings, show_all=show_all), as_json)
