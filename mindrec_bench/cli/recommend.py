"""`mrbench recommend`: items for a user or a history, from the fitted model of a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from ..experiment.config import ExecutionOptions
from .config_options import config_options, split_options
from .flags import FilePath, Ids, json_option
from .messages import hide_messages


@click.command()
@click.argument("run")
@click.option("--user", help="A user of the data, by its own id; all of the user's items are the history.")
@click.option("--history", type=Ids(), help="Own ids of items, the latest last.")
@click.option(
    "--histories",
    type=FilePath(),
    metavar="FILE",
    help='Many histories: .json ({"anna": ["id", ...]}), or .csv or .parquet with the columns user and item.',
)
@click.option("--k", type=int, default=10, show_default=True, help="Items for each history.")
@config_options(
    ExecutionOptions, only=("runs_dir", "data_dir", "device", "batch_size", "quiet"), defaults={"quiet": False}
)
@json_option
def recommend(
    run: str,
    user: str | None,
    history: list[str] | None,
    histories: Path | None,
    k: int,
    as_json: bool,
    **flags: Any,
) -> None:
    """Recommend items for a user of the data, or for the history of anybody, with titles.

    \b
    mrbench recommend 1a2b3c --user anna
    mrbench recommend 1a2b3c --history b0041,b0007 --k 5 --json

    RUN is the id of a run, the start of its id, or its folder; its fitted model must be in the run store.
    """
    from ..experiment.histories_file import read_histories
    from ..experiment.recommend import Recommender
    from ..report.recommendations_text import recommendations_text
    from ..store.runs import find_run

    if sum(value is not None for value in (user, history, histories)) != 1:
        raise UsageError("give one of --user, --history and --histories")
    _, execution = split_options(flags, ExecutionOptions)
    options = ExecutionOptions(**execution)
    hide_messages(options.quiet)
    recommender = Recommender.load(find_run(options.runs_dir, run), options)
    if user is not None:
        named = {user: recommender.history_of(user)}
    elif history is not None:
        named = {"": recommender.names.find_items(history, "--history")}
    else:
        assert histories is not None
        named = {
            name: recommender.names.find_items(items, f"the history of '{name}' in {histories}")
            for name, items in read_histories(histories).items()
        }
    results = recommender.recommend(list(named.values()), k, users=list(named), known=user is not None)
    if as_json:
        lists = [asdict(result) for result in results]
        click.echo(json.dumps(lists if histories is not None else lists[0], ensure_ascii=False))
        return
    for number, result in enumerate(results):
        click.echo(("\n" if number else "") + recommendations_text(result, k))
