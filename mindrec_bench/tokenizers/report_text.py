"""The quality report of a tokenization as text for a terminal."""

from __future__ import annotations

import math
from typing import Any

from ..report.text_table import format_columns

_MAX_TITLE = 60


def format_report(meta: dict[str, Any]) -> str:
    """Format the contents of `<Name>.index.meta.json`."""
    report, neighbours = meta["report"], meta["report"]["neighbours"]
    before, after = report["before"], report["after"]
    head = f"{meta['method']}, {meta['levels']} levels of {meta['codes']} codes, vectors {meta['vectors']}"
    collisions = [
        ("distinct SIDs", f"{before['distinct_sids']:,}", f"{after['distinct_sids']:,}"),
        ("items that share their SID", f"{before['items_sharing_a_sid']:,}", f"{after['items_sharing_a_sid']:,}"),
        ("error (1: as without codes)", f"{before['error']:.3f}", f"{after['error']:.3f}"),
    ]
    levels = [
        (f"{level}", f"{slot['used']:,}", f"{slot['entropy']:.2f}") for level, slot in enumerate(report["slots"], 1)
    ]
    lines = [f"{head}, seed {meta['seed']}: {report['items']:,} items in {meta['seconds']:.0f} s"]
    lines += format_columns(collisions, ("", "before", f"after ({meta['on_collision']})"))
    lines += ["", *format_columns(levels, ("level", "codes used", "entropy, bits")), ""]
    if neighbours["of"]:
        lines.append(
            f"of an item's {neighbours['of']} nearest by vector, {neighbours['share']:.1%} share its first code "
            f"(by chance {neighbours['chance']:.1%})"
        )
    lines += _notes(meta)
    for example in report["examples"]:
        lines += ["", f"{_item_name(example)}  {'-'.join(map(str, example['codes']))}"]
        by_prefix = [other for other in example["by_prefix"] if other["shared"]]
        lines += [f"  by codes ({other['shared']} shared)   {_item_name(other)}" for other in by_prefix]
        lines += [] if by_prefix else ["  by codes: no other item has its first code"]
        lines += [f"  by vector ({other['shared']} shared)  {_item_name(other)}" for other in example["by_vector"]]
    return "\n".join(lines)


def _notes(meta: dict[str, Any]) -> list[str]:
    report, notes = meta["report"], []
    if "epochs" in report:
        notes.append(f"loss {report['first_loss']:.4f} -> {report['last_loss']:.4f} in {report['epochs']:,} epochs")
    if report["without_vector"]:
        notes.append(
            f"note: nothing is known about {_count_items(report['without_vector'])}; only chance tells their codes "
            "apart"
        )
    n_first_codes, n_items = report["slots"][0]["used"], report["items"]
    if len(report["slots"]) > 1 and n_first_codes > n_items / 2:
        notes.append(
            f"note: {n_items:,} items have {n_first_codes:,} first codes, so codes hardly show which items are "
            f"similar; give fewer, such as --codes {2 ** max(2, round(math.log2(n_items) / 2))} (with --force)"
        )
    n_colliding = report["after"]["items_sharing_a_sid"]
    if meta["on_collision"] == "resolve" and n_colliding:
        notes.append(
            f"note: {n_colliding:,} items still share a SID, since {n_items:,} items are more than "
            f"{meta['levels']} levels of {meta['codes']:,} codes can tell apart; give more --levels or --codes"
        )
    return notes


def _count_items(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


def _item_name(item: dict[str, Any]) -> str:
    title = item["title"] if len(item["title"]) <= _MAX_TITLE else f"{item['title'][: _MAX_TITLE - 1]}…"
    return f"{item['item']} {title}".rstrip()
