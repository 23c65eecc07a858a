"""`mrbench list`: registered models, decoders and data sets."""

from __future__ import annotations

from pathlib import Path

import click

from .flags import data_dir_option, json_option, notify, print_result


@click.command("list")
@click.argument("what", type=click.Choice(["models", "decoders", "data"]), required=False)
@click.argument("name", required=False)
@data_dir_option
@json_option
def list_(what: str | None, name: str | None, data_dir: Path | None, as_json: bool) -> None:
    """List models, decoders and data sets, a line each; or, with a NAME, the options of one and what it works with.

    \b
    mrbench list
    mrbench list decoders
    mrbench list models llada
    """
    from ..data.sources import listed
    from ..plugins import registry

    kinds: dict[str, registry.Kind] = {"models": "model", "decoders": "decoder", "data": "data"}
    if what is not None and name is not None:
        from ..data.sources import describe_data
        from ..plugins.description import describe
        from ..report.plugin_text import card_text

        found = describe_data(name, data_dir) if what == "data" else describe(kinds[what], name)
        print_result(found.as_dict(), card_text(kinds[what], found), as_json)
        return
    rows = {
        name: listed(data_dir, notify) if name == "data" else registry.listed(kind, notify)
        for name, kind in kinds.items()
        if what in (None, name)
    }
    lines = []
    for name, entries in rows.items():
        lines.append(name)
        width = max((len(entry.name) for entry in entries), default=0)
        for entry in entries:
            kind = f"[{entry.capability}] " if entry.capability else ""
            lines.append(f"  {entry.name:<{width}}  {kind}{entry.summary}")
    value = {name: [vars(entry) for entry in entries] for name, entries in rows.items()}
    print_result(value, "\n".join(lines), as_json)
