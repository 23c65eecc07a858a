"""What a registered name says of itself, as text: `mrbench list models llada`."""

from __future__ import annotations

import shutil
import textwrap

from ..plugins.description import Option, PluginInfo
from ..plugins.registry import Kind

NARROW = 60
"""No line is broken at fewer columns, however narrow the terminal."""


def card_text(kind: Kind, card: PluginInfo) -> str:
    """Name and origin, the summary, sizes, what it works with, and the options, a paragraph each."""
    capability = f"  [{card.capability}]" if card.capability else ""
    lines = [f"{card.name}{capability}  {card.origin}", card.summary, ""]
    facts = [("--size", f"{size} ({own})" if own else size) for size, own in card.sizes.items()]
    facts += [("works with", ", ".join(card.pairs_with))] if card.pairs_with else []
    for word, value in facts:
        lines += _filled(f"{word:<10}  ", value)
    if not card.options:
        return "\n".join([*lines, "no options"])
    lines.append(f"options, as --{kind} {card.name}:key=value,key=value")
    width = max(len(option.name) for option in card.options)
    of_size = {pair.partition("=")[0] for own in card.sizes.values() for pair in own.split(",")}
    for option in card.options:
        meaning = option.meaning[:1].upper() + option.meaning[1:]
        lines += _filled(f"  {option.name:<{width}}  ", f"{_values(option, option.name in of_size)}. {meaning}")
    return "\n".join(lines)


def _values(option: Option, of_size: bool) -> str:
    """What may be written, and what counts where nothing is."""
    kind = "|".join(option.allowed) or option.type
    if option.default is None:
        return f"{kind}, must be given"
    return f"{kind}, default: the size's own" if of_size else f"{kind}, default {option.default}"


def _filled(head: str, text: str) -> list[str]:
    """`head` and `text`, later lines below the text."""
    width = max(NARROW, shutil.get_terminal_size().columns)
    below = " " * len(head)
    # Names and `key=value,...` stay whole, so that they can be copied.
    return textwrap.wrap(
        text, width, initial_indent=head, subsequent_indent=below, break_on_hyphens=False, break_long_words=False
    )
