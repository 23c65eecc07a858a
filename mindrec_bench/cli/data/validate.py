"""`mrbench data validate`: check a data folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from ...errors import DataError
from ..flags import data_dir_option, json_option


@click.command()
@click.argument("name_or_path")
@data_dir_option
@json_option
def validate(name_or_path: str, data_dir: Path | None, as_json: bool) -> None:
    """Check a data folder and say all that is wrong with it at once; exit code 3 if it can't be used."""
    from ...data.sources import folder_of
    from ...data.validate import validate as check

    found = check(folder_of(name_or_path, data_dir))
    errors, remarks = found.error_lines, found.remarks.lines()
    if as_json:
        click.echo(json.dumps({**found.counts, "errors": errors, "remarks": remarks}, ensure_ascii=False))
    else:
        counts = ", ".join(f"{count:,} {what}" for what, count in found.counts.items())
        marked = [*(f"error: {line}" for line in errors), *(f"remark: {line}" for line in remarks)]
        click.echo("\n".join([f"{os.path.normpath(found.folder)}: {counts}", *marked]))
    if errors:
        kinds = "1 error" if len(errors) == 1 else f"{len(errors)} kinds of errors"
        raise DataError(f"{found.folder} can't be used: {kinds}, listed above; correct them and validate it again")
