"""`mrbench data validate`: check a data folder."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ...errors import DataError
from ..flags import data_dir_option, json_option, print_result


@click.command()
@click.argument("name_or_path")
@data_dir_option
@json_option
def validate(name_or_path: str, data_dir: Path | None, as_json: bool) -> None:
    """Check a data folder and report everything that is wrong at once; exit code 3 if it can't be used."""
    from ...data import validate
    from ...data.sources import data_folder

    report = validate.validate(data_folder(name_or_path, data_dir))
    errors, remarks = report.errors.lines(), report.remarks.lines()
    counts = ", ".join(f"{count:,} {noun}" for noun, count in report.counts.items())
    lines = [f"{os.path.normpath(report.folder)}: {counts}"]
    lines += [f"error: {line}" for line in errors] + [f"remark: {line}" for line in remarks]
    print_result({**report.counts, "errors": errors, "remarks": remarks}, "\n".join(lines), as_json)
    if errors:
        kinds = "1 error" if len(errors) == 1 else f"{len(errors)} kinds of errors"
        raise DataError(f"{report.folder} can't be used: {kinds}, listed above; correct them and validate it again")
