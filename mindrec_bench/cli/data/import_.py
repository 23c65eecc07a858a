"""`mrbench data import`: turn tables of interactions and items into a dataset."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..flags import FilePath, json_option, print_result

PATH = FilePath()


@click.command("import")
@click.argument("interactions", type=PATH)
@click.option("--name", required=True, help="Name of the new dataset, for `--data NAME`.")
@click.option("--items", type=PATH, help="A file with titles, descriptions, brands and categories.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="The column of a role: user, item, timestamp or rating, or in the file of items id, title, description, brand "
    "or categories.  [default: recognised by common names]",
)
@click.option(
    "--k-core",
    "core",
    type=int,
    default=5,
    show_default=True,
    help="Leave out users and items with fewer interactions, repeatedly.",
)
@click.option("--user-core", type=int, help="Fewest interactions of each user.  [default: that of --k-core]")
@click.option("--item-core", type=int, help="Fewest interactions of each item.  [default: that of --k-core]")
@click.option("--min-rating", type=float, help="Leave out interactions with a lower rating, or none.")
@click.option("--since", metavar="TIME", help="Leave out interactions before this date, or number in the file's unit.")
@click.option("--until", metavar="TIME", help="Leave out interactions at this time and later.")
@click.option(
    "--duplicates",
    type=click.Choice(["drop", "first", "keep"]),
    default="drop",
    show_default=True,
    help="Repeated rows: drop those equal in user, item and time; keep the first of a user and an item; keep all.",
)
@click.option(
    "--file-order",
    is_flag=True,
    help="Rows at one time keep the order of the file, all rows where it has no times.  [default: a fixed order of "
    "equal times that the order of rows does not change]",
)
@click.option("--keep-na", is_flag=True, help="Ids such as NA, None and null are ids, and not missing.")
@click.option("--sep", help="What separates fields, such as '::' or tab.  [default: recognised]")
@click.option("--encoding", help="Encoding of the text, such as latin-1 or cp1252.  [default: UTF-8]")
@click.option("--no-header", "has_header", flag_value=False, default=True, help="Columns of INTERACTIONS are 1, 2, ...")
@click.option("--no-quotes", "quotes", flag_value=False, default=True, help="Double quotes are ordinary characters.")
@click.option("--items-sep", help="As --sep, in the file of items.")
@click.option("--items-encoding", help="As --encoding, in the file of items.")
@click.option("--items-no-header", "items_has_header", flag_value=False, default=True, help="As --no-header.")
@click.option("--items-no-quotes", "items_quotes", flag_value=False, default=True, help="As --no-quotes.")
@click.option(
    "--category-layout",
    type=click.Choice(["path", "set", "none"]),
    help="What the categories of an item are: from coarse to fine, in any order, or not read.  [default: recognised]",
)
@click.option("--category-sep", "category_separator", help="What separates categories.  [default: recognised]")
@click.option("--replace", is_flag=True, help="Replace an imported data folder, including its semantic IDs.")
@click.option("--data-dir", type=PATH, help="Where the new folder goes.  [default: ./data]")
@json_option
def import_(columns: Sequence[str], data_dir: Path | None, as_json: bool, **flags: Any) -> None:
    """Turn a table of interactions, and one of items, into a dataset.

    Both files may be CSV, TSV, JSON lines, Parquet or RecBole's atomic files; text may be compressed. The new folder
    NAME goes to --data-dir, else to ./data. Users and items are numbered; their own ids are kept and used in what is
    exported.

    \b
    mrbench data import reviews.csv --items products.jsonl.gz --name shop
    mrbench data import u.data --no-header --column user=1 --column item=2 --column timestamp=4 --name movies
    """
    from ...data.importing.columns import parse_columns
    from ...data.importing.import_report import format_report
    from ...data.importing.importer import ImportOptions, import_dataset
    from ...data.importing.text_format import TextFormat, parse_separator
    from ...data.locate import is_found

    text, items_text = (
        TextFormat(
            parse_separator(flags.pop(f"{prefix}sep")),
            flags.pop(f"{prefix}encoding"),
            flags.pop(f"{prefix}has_header"),
            flags.pop(f"{prefix}quotes"),
            f"--{prefix}".replace("_", "-"),
        )
        for prefix in ("", "items_")
    )
    options = ImportOptions(columns=parse_columns(columns), text=text, items_text=items_text, **flags)
    folder, report = import_dataset(options, data_dir=data_dir)
    # Without --data-dir, another folder of this name may be found first.
    root = data_dir if data_dir or is_found(folder) else folder.parent
    location = ["--data-dir", str(root)] if root else []
    next_command = shlex.join(["mrbench", "data", "tokenize", options.name, *location])
    lines = "\n".join([*format_report(report), "", str(folder), f"next: {next_command}"])
    print_result({**report, "folder": str(folder)}, lines, as_json)
