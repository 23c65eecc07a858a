"""`mrbench table`: tables from stored runs beside published values; imports no torch unless it makes missing runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..experiment.config import ExecutionOptions
from .config_options import config_options, split_options
from .flags import FilePath, SliceName, Users, colour_wanted, plain_csv_option, quiet_option, test_option, text_width
from .messages import hide_messages

if TYPE_CHECKING:
    from ..report.tables.table import Table
    from ..store.runs import Run

logger = logging.getLogger(__name__)


def _parse_numbers(context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"'{text}' is not a list of numbers such as 0,1,2") from None
    if len({*numbers}) < len(numbers):
        raise click.BadParameter(f"'{text}' has a number twice; name each once")
    return numbers


@click.command()
@click.argument("names", metavar="[NAME|FILE.toml]...", nargs=-1)
@click.option(
    "--format",
    "table_format",
    type=click.Choice(["text", "github", "latex", "html", "csv", "json"]),
    default="text",
    show_default=True,
    help="The format of the tables.",
)
@click.option("--out", type=FilePath(), help="Write one file per table into this folder.")
@click.option("--seeds", callback=_parse_numbers, metavar="N,N,...", help="Average over these seeds for each user.")
@click.option("--size", help="Size of the models.  [default: the largest that has runs]")
@click.option(
    "--users", type=Users(all_value="all"), help="How many users make up the data.  [default: as in the table file]"
)
@click.option("--max-minutes", type=float, help="Time limit of the training.  [default: the longest that has runs]")
@click.option("--intervals", is_flag=True, help="Show bootstrap 95% intervals.")
@test_option
@click.option(
    "--run-missing",
    is_flag=True,
    help="First make the runs that would fill empty cells; if some fail, exit with their highest code.",
)
@click.option(
    "--archive",
    type=FilePath(),
    help="Keep the runs behind the tables in this run store, without their rankings.",
)
@click.option(
    "--by",
    type=SliceName(),
    help="A table for each group of users: by history (its length), popularity, category, transition (the target "
    "after the last item) or cold (the target). Reads the data.",
)
@plain_csv_option
@quiet_option
@config_options(ExecutionOptions, only=("runs_dir", "data_dir", "device"))
def table(
    names: Sequence[str],
    table_format: Any,
    out: Path | None,
    intervals: bool,
    test: Any,
    run_missing: bool,
    archive: Path | None,
    by: str | None,
    plain_csv: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Show tables from stored runs, with the published values below; a .toml file defines a table of your own.

    Without names, all installed tables that have runs.

    \b
    mrbench table table6
    mrbench table table2 --format latex --out tables-of-today
    """
    from ..report.table_spec import override
    from ..report.table_spec_io import installed_tables, load_table_spec
    from ..report.tables.build import build_table
    from ..report.tables.render import render_tables, save_tables
    from ..store.runs import find_runs

    hide_messages(quiet)
    overrides, execution = split_options(flags, ExecutionOptions)
    drawing = {"with_intervals": intervals, "quote_formulas": not plain_csv}
    runs_dir = execution["runs_dir"]
    specs = [override(load_table_spec(name), **overrides) for name in names or installed_tables()]

    def build() -> tuple[list[Run], list[Table]]:
        runs = list(find_runs(runs_dir))
        settings: dict[str, Any] = {"with_intervals": intervals, "test": test}
        if by is None:
            return runs, [build_table(spec, runs, **settings) for spec in specs]
        from ..report.tables.by_slice import build_slice_tables

        sliced = [build_slice_tables(spec, runs, by, execution["data_dir"], **settings) for spec in specs]
        return runs, [table for tables in sliced for table in tables]

    exit_code = 0
    runs, tables = build()
    if run_missing:
        from ..report.tables.missing_runs import make_missing_runs

        exit_code = make_missing_runs(tables, ExecutionOptions(**execution, quiet=quiet))
        runs, tables = build()
    if archive is not None:
        from ..report.tables.archive import archive_runs

        archived = archive_runs(tables, {run.id: run for run in runs}, archive)
        logger.info(f"{len(archived)} runs are kept in {archive}")
    if not names:
        without = [table.spec.name for table in tables if not table.has_runs]
        tables = [table for table in tables if table.has_runs]
        if without:
            logger.info(f"without runs: {', '.join(without)} (name one to see it, with the commands that fill it)")
    if out is None and (tables or table_format in ("json", "html")):
        text = render_tables(tables, table_format, colour=colour_wanted(), width=text_width(), **drawing)
        click.echo(text, nl=False)
    elif out is not None:
        for path in save_tables(tables, out, table_format, **drawing):
            click.echo(path)
    sys.exit(exit_code)
