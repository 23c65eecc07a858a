"""`mrbench score`: score rankings made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..experiment.config import ExecutionOptions
from ..interchange.external_rankings import ExternalRankings
from .config_options import config_options, split_options
from .flags import FilePath, json_option, print_result


@click.command()
@click.argument("file", type=FilePath())
@config_options(ExternalRankings)
@config_options(ExecutionOptions, only=("runs_dir", "data_dir", "wait"))
@json_option
def score(file: Path, as_json: bool, **flags: Any) -> None:
    """Score rankings made elsewhere; they become a run that can be used in tables and comparisons.

    FILE is Parquet or CSV with the columns user, rank, and item (an item id) or codes; a column score is optional.
    """
    from ..interchange.score import score_file
    from ..report.run_text import run_text

    values, execution = split_options(flags, ExecutionOptions)
    run = score_file(ExternalRankings(file=file, **values), **execution)
    print_result(run.as_dict(), f"{run_text(run)}\n\n{run.path}", as_json)
