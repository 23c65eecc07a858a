"""`mrbench audit`: published tables and stored runs checked by arithmetic; imports no torch."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .flags import json_option, notify, runs_option


@click.command()
@click.option("--all", "everything", is_flag=True, help="Print the checks that found nothing odd as well.")
@runs_option
@json_option
def audit(everything: bool, runs_dir: Path, as_json: bool) -> None:
    """Check the published tables, and the stored runs, by arithmetic alone."""
    from ..report.audit.audit_text import as_objects, to_text
    from ..report.audit.checks import check_run
    from ..report.audit.published import audit_paper
    from ..store.runs import find_runs

    findings = audit_paper() + [finding for run in find_runs(runs_dir, notify) for finding in check_run(run)]
    click.echo(
        json.dumps(as_objects(findings), ensure_ascii=False) if as_json else to_text(findings, everything=everything)
    )
