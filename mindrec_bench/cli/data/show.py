"""`mrbench data show`: what a data set holds."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..flags import data_dir_option, json_option, notify


@click.command()
@click.argument("name", default="arts-sim")
@click.option("--samples", "count", type=click.IntRange(min=0), default=3, show_default=True, help="Users to show.")
@data_dir_option
@json_option
def show(name: str, count: int, data_dir: Path | None, as_json: bool) -> None:
    """Print what a data set holds: the first 5,000 users, the whole file, the paper's Table 1, some histories."""
    from ...data import samples, statistics
    from ...data.sources import resolve
    from ...report.columns import aligned

    _, source = resolve(name, data_dir)
    whole = source.load(data_dir, users=None, notify=notify)
    first = source.load(data_dir, users=statistics.PAPER_USERS, notify=notify)
    found = {"first_users": statistics.statistics(first), "whole": statistics.statistics(whole)}
    seen = samples.samples(first, count)
    if as_json:
        click.echo(json.dumps({**found, "samples": seen}, ensure_ascii=False))
        return
    heading = ("", f"first {statistics.PAPER_USERS:,} users", "whole file", "paper, first", "paper, whole")
    table = aligned([heading, *statistics.rows(found["first_users"], found["whole"])])
    notes = [f"note: {note}" for note in found["whole"]["notes"]]
    shown = ["", *samples.lines(seen)] if seen else []
    click.echo("\n".join([found["whole"]["name"], *table, *notes, *shown]))
