"""`mrbench list`: list registered models, decoders and datasets; imports no torch."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import data_dir_option, json_option, line_width, print_result

LINE_WIDTH = 80
"""Characters in a line of what a NAME is, in files and pipes."""


@click.command("list")
@click.argument("group", type=click.Choice(["models", "decoders", "data"]), required=False)
@click.argument("name", required=False)
@data_dir_option
@json_option
def list_(group: str | None, name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List models, decoders and datasets, one per line; with a NAME, show its options and what it works with.

    \b
    mrbench list
    mrbench list decoders
    mrbench list models llada
    """
    from ..data.sources import describe_data, list_data
    from ..plugins import registry
    from ..plugins.description import describe
    from ..report.plugin_text import entries_text, plugin_text

    kinds: dict[str, registry.Kind] = {"models": "model", "decoders": "decoder", "data": "data"}
    if group is not None and name is not None:
        plugin = describe_data(name, data_dir) if group == "data" else describe(kinds[group], name)
        print_result(plugin.as_dict(), plugin_text(kinds[group], plugin, line_width() or LINE_WIDTH), as_json)
        return
    entries = {
        key: list_data(data_dir) if kind == "data" else registry.list_entries(kind, warn=True)
        for key, kind in kinds.items()
        if group in (None, key)
    }
    value = {key: [vars(entry) for entry in of_kind] for key, of_kind in entries.items()}
    print_result(value, entries_text(entries, line_width()), as_json)
