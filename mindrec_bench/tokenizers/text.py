"""The report of a tokenization, for a terminal."""

from __future__ import annotations

import math
from typing import Any

from ..report.columns import aligned

_TITLE = 60


def to_text(meta: dict[str, Any]) -> str:
    """Several blocks of lines, from what `<Name>.index.meta.json` holds."""
    found, near = meta["report"], meta["report"]["neighbours"]
    before, after = found["before"], found["after"]
    head = f"{meta['method']}, {meta['levels']} levels of {meta['codes']} codes, vectors {meta['vectors']}"
    states = [
        ("", "before", f"after ({meta['on_collision']})"),
        ("distinct SIDs", f"{before['distinct_sids']:,}", f"{after['distinct_sids']:,}"),
        ("items that share their SID", f"{before['items_sharing_a_sid']:,}", f"{after['items_sharing_a_sid']:,}"),
        ("error (1: as without codes)", f"{before['error']:.3f}", f"{after['error']:.3f}"),
    ]
    slots = [("level", "codes used", "entropy, bits")]
    slots += [(f"{at}", f"{slot['used']:,}", f"{slot['entropy']:.2f}") for at, slot in enumerate(found["slots"], 1)]
    lines = [f"{head}, seed {meta['seed']}: {found['items']:,} items in {meta['seconds']:.0f} s"]
    lines += [*aligned(states), "", *aligned(slots), ""]
    if near["of"]:
        lines.append(
            f"of an item's {near['of']} nearest by vector, {near['share']:.1%} share its first code "
            f"(by chance {near['chance']:.1%})"
        )
    lines += _notes(meta)
    for example in found["examples"]:
        lines += ["", f"{_name(example)}  {'-'.join(map(str, example['codes']))}"]
        alike = [other for other in example["by_prefix"] if other["shared"]]
        lines += [f"  by codes ({other['shared']} shared)   {_name(other)}" for other in alike]
        lines += [] if alike else ["  by codes: no other item has its first code"]
        lines += [f"  by vector ({other['shared']} shared)  {_name(other)}" for other in example["by_vector"]]
    return "\n".join(lines)


def _notes(meta: dict[str, Any]) -> list[str]:
    found, notes = meta["report"], []
    if "epochs" in found:
        notes.append(f"loss {found['first_loss']:.4f} -> {found['last_loss']:.4f} in {found['epochs']:,} epochs")
    if found["without_vector"]:
        notes.append(
            f"note: nothing is known of {_items(found['without_vector'])}; only chance tells their codes apart"
        )
    first, items = found["slots"][0]["used"], found["items"]
    if len(found["slots"]) > 1 and first > items / 2:
        notes.append(
            f"note: {items:,} items have {first:,} first codes, so codes hardly say which items are alike; give fewer, "
            f"such as --codes {2 ** max(2, round(math.log2(items) / 2))} (with --force)"
        )
    left = found["after"]["items_sharing_a_sid"]
    if meta["on_collision"] == "resolve" and left:
        notes.append(
            f"note: {left:,} items still share a SID, since {found['items']:,} items are more than "
            f"{meta['levels']} levels of {meta['codes']:,} codes tell apart; give more --levels or --codes"
        )
    return notes


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


def _name(item: dict[str, Any]) -> str:
    title = item["title"] if len(item["title"]) <= _TITLE else f"{item['title'][: _TITLE - 1]}…"
    return f"{item['item']} {title}".rstrip()
