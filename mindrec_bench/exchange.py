"""The commands that bring rankings in and out: `score` and `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .flags import Users, data_dir_option, json_option, notify, runs_option
from .report.result import result_text


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
    from .external import ExternalRankings, score_file

    as_json, wait = flags.pop("as_json"), not flags.pop("no_wait")
    runs_dir, data_dir = flags.pop("runs_dir"), flags.pop("data_dir")
    rankings = ExternalRankings(file=file, **flags)
    summary = score_file(rankings, runs_dir=runs_dir, data_dir=data_dir, wait=wait, notify=notify)
    text = f"{result_text(summary)}\n\n{summary['path']}"
    click.echo(json.dumps(summary, ensure_ascii=False) if as_json else text)


@click.command()
@click.argument("run")
@click.option("--format", "form", type=click.Choice(["trec", "ranx", "parquet"]), default="trec", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="The folder for the two files.")
@data_dir_option
@runs_option
def export(run: str, form: Any, out: Path, data_dir: Path | None, runs_dir: Path) -> None:
    """Write a run's rankings and the true items for trec_eval, ranx, or anything that reads Parquet."""
    from .export import export_run
    from .runs import resolve_run

    for path in export_run(resolve_run(runs_dir, run), form, out, data_dir=data_dir, notify=notify):
        click.echo(path)
