"""Registered models, decoders and datasets as text (`mrbench list`)."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from ..plugins.description import Option, PluginInfo
from ..plugins.registry import Kind, RegistryEntry


def entries_text(entries: Mapping[str, Sequence[RegistryEntry]], width: int | None = None) -> str:
    """One line per registered name, below a heading for each group.

    Args:
        entries: heading -> the entries below it.
        width: characters in a line, wider ones are wrapped; None: one line each.
    """
    lines = []
    for heading, group in entries.items():
        lines.append(heading)
        name_width = max((len(entry.name) for entry in group), default=0)
        for entry in group:
            capability = f"[{entry.capability}] " if entry.capability else ""
            head, text = f"  {entry.name:<{name_width}}  ", f"{capability}{entry.summary}"
            lines += [f"{head}{text}"] if width is None else _wrap(head, text, width)
    return "\n".join(lines)


def plugin_text(kind: Kind, plugin: PluginInfo, width: int) -> str:
    """Name and origin, summary, sizes, what it works with, and the options, one paragraph each.

    Args:
        kind: of the plugin.
        plugin: what it says of itself.
        width: characters in a line.
    """
    capability = f"  [{plugin.capability}]" if plugin.capability else ""
    lines = [f"{plugin.name}{capability}  {plugin.origin}", plugin.summary, ""]
    facts = [("--size", f"{size} ({defaults})" if defaults else size) for size, defaults in plugin.sizes.items()]
    facts += [("works with", ", ".join(plugin.pairs_with))] if plugin.pairs_with else []
    for label, value in facts:
        lines += _wrap(f"{label:<10}  ", value, width)
    if not plugin.options:
        return "\n".join([*lines, "no options"])
    lines.append(f"options, as --{kind} {plugin.name}:key=value,key=value")
    name_width = max(len(option.name) for option in plugin.options)
    set_by_size = {pair.partition("=")[0] for defaults in plugin.sizes.values() for pair in defaults.split(",")}
    for option in plugin.options:
        meaning = option.meaning[:1].upper() + option.meaning[1:]
        values = _values_text(option, option.name in set_by_size)
        lines += _wrap(f"  {option.name:<{name_width}}  ", f"{values}. {meaning}", width)
    return "\n".join(lines)


def _values_text(option: Option, set_by_size: bool) -> str:
    """The values that an option takes, and its default."""
    values = "|".join(option.allowed) or option.type
    if option.default is None:
        return f"{values}, must be given"
    return f"{values}, default: set by the size" if set_by_size else f"{values}, default {option.default}"


def _wrap(head: str, text: str, width: int) -> list[str]:
    """`head` followed by `text`; further lines are indented to where the text starts, or less in narrow lines."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * min(len(head), width // 3),
        # Names and `key=value,...` stay whole, so that they can be copied.
        break_on_hyphens=False,
        break_long_words=False,
    )
