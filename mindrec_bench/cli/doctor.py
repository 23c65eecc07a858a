"""`mrbench doctor`: show what this machine has."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import data_dir_option, json_option, print_result


@click.command()
@data_dir_option
@json_option
def doctor(data_dir: Path | None, as_json: bool) -> None:
    """Show what this machine has: packages, devices, data, weights, and what each model would do here.

    It only reports: the exit code is 0 even if something is missing.
    """
    from ..experiment.doctor import diagnose, to_text

    lines = diagnose(data_dir)
    print_result([line._asdict() for line in lines], to_text(lines), as_json)
