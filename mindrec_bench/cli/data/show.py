"""`mrbench data show`: what a dataset holds."""

from __future__ import annotations

from pathlib import Path

import click

from ..flags import data_dir_option, json_option, print_result


@click.command()
@click.argument("name", default="arts-sim")
@click.option(
    "--samples",
    "count",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="How many users' histories to show.",
)
@data_dir_option
@json_option
def show(name: str, count: int, data_dir: Path | None, as_json: bool) -> None:
    """Print what a dataset holds: the first 5,000 users, the whole file, the paper's Table 1, some histories."""
    from ...data.samples import sample_users
    from ...data.sources import resolve_data
    from ...data.statistics import PAPER_USERS, dataset_statistics, statistics_rows
    from ...report.samples_text import format_samples
    from ...report.text_table import format_columns

    _, source = resolve_data(name, data_dir)
    whole_data = source.load(data_dir, users=None)
    first_data = source.load(data_dir, users=PAPER_USERS)
    first, whole = dataset_statistics(first_data), dataset_statistics(whole_data)
    samples = sample_users(first_data, count)
    headings = ("", f"first {PAPER_USERS:,} users", "whole file", "paper, first", "paper, whole")
    lines = [whole["name"], *format_columns(statistics_rows(first, whole), headings)]
    lines += [f"note: {note}" for note in whole["notes"]]
    if samples:
        lines += ["", *format_samples(samples)]
    print_result({"first_users": first, "whole": whole, "samples": samples}, "\n".join(lines), as_json)
