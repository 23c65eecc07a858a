"""`mrbench audit`: check published tables and stored runs by arithmetic; imports no torch."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import json_option, print_result, runs_option


@click.command()
@click.option("--all", "show_all", is_flag=True, help="Print the checks that found no problem too.")
@runs_option
@json_option
def audit(show_all: bool, runs_dir: Path, as_json: bool) -> None:
    """Check the paper's tables and the stored runs for numbers that can't be, by arithmetic alone.

    Hits that are no whole number, a metric that falls with k, an entropy or TTR above its bound, and what p-values the
    published differences can have at all.
    """
    from ..report.audit.audit_text import to_dicts, to_text
    from ..report.audit.checks import audit_runs
    from ..report.audit.published_tables import audit_paper
    from ..store.runs import find_runs

    findings = audit_paper() + audit_runs(find_runs(runs_dir))
    print_result(to_dicts(findings), to_text(findings, show_all=show_all), as_json)
