"""`mrbench score`: score rankings made elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .flags import Users, data_dir_option, json_option, notify, runs_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="What made the rankings; the model's name in tables.")
@click.option("--data", default="arts-sim", show_default=True, help="A known name, or the path of a data folder.")
@click.option("--users", type=Users(), default="5000", show_default=True, help="Users that make up the data.")
@click.option("--eval-users", type=click.IntRange(min=1), help="The file ranks for the first so many users only.")
@click.option("--beam", type=click.IntRange(min=1), help="Results a user.  [default: the longest list]")
@click.option("--seed", type=int, default=42, show_default=True, help="The seed that the rankings were made with.")
@click.option("--allow-missing", is_flag=True, help="Users without a ranking count as misses.")
@data_dir_option
@runs_option
@click.option("--no-wait", is_flag=True, help="End at once if another process computes this run.")
@json_option
def score(file: Path, **flags: Any) -> None:
    """Score rankings made elsewhere; they become a run that enters tables and comparisons.

    FILE is Parquet or CSV with the columns user, rank, and item (an item id) or codes; a column score is optional.
    """
    from ..interchange.score import ExternalRankings, score_file
    from ..report.run_text import result_text

    as_json, wait = flags.pop("as_json"), not flags.pop("no_wait")
    runs_dir, data_dir = flags.pop("runs_dir"), flags.pop("data_dir")
    rankings = ExternalRankings(file=file, **flags)
    summary = score_file(rankings, runs_dir=runs_dir, data_dir=data_dir, wait=wait, notify=notify)
    text = f"{result_text(summary)}\n\n{summary['path']}"
    click.echo(json.dumps(summary, ensure_ascii=False) if as_json else text)
