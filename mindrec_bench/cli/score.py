"""`mrbench score`: score rankings made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .flags import data_dir_option, json_option, no_wait_option, notify, print_result, runs_option, users_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="The system that made the rankings; tables show it as the model.")
@click.option(
    "--data", default="arts-sim", show_default=True, help="A registered or imported name, or a folder's path."
)
@users_option
@click.option("--eval-users", type=click.IntRange(min=1), help="The file ranks only for the first N users.")
@click.option("--beam", type=click.IntRange(min=1), help="Results per user.  [default: the length of the longest list]")
@click.option("--seed", type=int, default=42, show_default=True, help="The seed that the rankings were made with.")
@click.option("--allow-missing", is_flag=True, help="Count users without a ranking as misses.")
@data_dir_option
@runs_option
@no_wait_option
@json_option
def score(file: Path, **flags: Any) -> None:
    """Score rankings made elsewhere; they become a run that can be used in tables and comparisons.

    FILE is Parquet or CSV with the columns user, rank, and item (an item id) or codes; a column score is optional.
    """
    from ..interchange.score import ExternalRankings, score_file
    from ..report.run_text import run_text

    as_json, wait = flags.pop("as_json"), not flags.pop("no_wait")
    runs_dir, data_dir = flags.pop("runs_dir"), flags.pop("data_dir")
    rankings = ExternalRankings(file=file, **flags)
    summary = score_file(rankings, runs_dir=runs_dir, data_dir=data_dir, wait=wait, notify=notify)
    print_result(summary, f"{run_text(summary)}\n\n{summary['path']}", as_json)
