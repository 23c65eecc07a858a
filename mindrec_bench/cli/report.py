"""`mrbench report`: stored runs as a folder of HTML pages; imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from .flags import FilePath, by_option, data_dir_option, runs_option


@click.command()
@click.option("--out", type=FilePath(), required=True, help="The folder of the pages.")
@click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="RUN",
    help="Test NDCG against this run, one for each leaderboard.  [default: the best counting baseline]",
)
@by_option
@data_dir_option
@runs_option
def report(out: Path, references: Sequence[str], by: Sequence[str], data_dir: Path | None, runs_dir: Path) -> None:
    """Write the stored runs as web pages: leaderboards, a page for each run, comparisons of any two.

    \b
    mrbench report --out report     # then open report/index.html

    The folder needs no server and no network. With --by, which reads the data, comparisons say on which users.
    """
    from ..errors import UsageError
    from ..report.site.leaderboards import build_leaderboards, with_slices
    from ..report.site.pages import write_report
    from ..store.runs import find_run, find_runs

    named = [find_run(runs_dir, text) for text in references]
    boards = build_leaderboards(find_runs(runs_dir), named)
    if not boards:
        raise UsageError(f"no finished run is stored under {runs_dir}; make one with mrbench run, or name --runs-dir")
    if by:
        boards = [with_slices(board, tuple(dict.fromkeys(by)), data_dir) for board in boards]
    click.echo(write_report(boards, out))
