"""Registered models, decoders and datasets as text (`mrbench list`)."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence

from ..plugins.description import Option, PluginInfo
from ..plugins.registry import Kind, RegistryEntry

MIN_WIDTH = 60
"""Lines are not wrapped at fewer columns than this, however narrow the terminal is."""


def entries_text(entries: Mapping[str, Sequence[RegistryEntry]]) -> str:
    """One line per registered name, below a heading for each group.

    Args:
        entries: heading -> the entries below it.
    """
    lines = []
    for heading, group in entries.items():
        lines.append(heading)
        width = max((len(entry.name) for entry in group), default=0)
        for entry in group:
            capability = f"[{entry.capability}] " if entry.capability else ""
            lines.append(f"  {entry.name:<{width}}  {capability}{entry.summary}")
    return "\n".join(lines)


def plugin_text(kind: Kind, plugin: PluginInfo) -> str:
    """Name and origin, summary, sizes, what it works with, and the options, one paragraph each."""
    capability = f"  [{plugin.capability}]" if plugin.capability else ""
    lines = [f"{plugin.name}{capability}  {plugin.origin}", plugin.summary, ""]
    facts = [("--size", f"{size} ({defaults})" if defaults else size) for size, defaults in plugin.sizes.items()]
    facts += [("works with", ", ".join(plugin.pairs_with))] if plugin.pairs_with else []
    for label, value in facts:
        lines += _wrap(f"{label:<10}  ", value)
    if not plugin.options:
        return "\n".join([*lines, "no options"])
    lines.append(f"options, as --{kind} {plugin.name}:key=value,key=value")
    width = max(len(option.name) for option in plugin.options)
    set_by_size = {pair.partition("=")[0] for defaults in plugin.sizes.values() for pair in defaults.split(",")}
    for option in plugin.options:
        meaning = option.meaning[:1].upper() + option.meaning[1:]
        values = _values_text(option, option.name in set_by_size)
        lines += _wrap(f"  {option.name:<{width}}  ", f"{values}. {meaning}")
    return "\n".join(lines)


def _values_text(option: Option, set_by_size: bool) -> str:
    """The values that an option takes, and its default."""
    values = "|".join(option.allowed) or option.type
    if option.default is None:
        return f"{values}, must be given"
    return f"{values}, default: set by the size" if set_by_size else f"{values}, default {option.default}"


def _wrap(head: str, text: str) -> list[str]:
    """`head` followed by `text`; further lines are indented to where the text starts."""
    return textwrap.wrap(
        text,
        max(MIN_WIDTH, shutil.get_terminal_size().columns),
        initial_indent=head,
        subsequent_indent=" " * len(head),
        # Names and `key=value,...` stay whole, so that they can be copied.
        break_on_hyphens=False,
        break_long_words=False,
    )
