"""What an import did, in words."""

from __future__ import annotations

from typing import Any


def lines(report: dict[str, Any]) -> list[str]:
    """A report of `importer.run_import` as lines; what did not happen is left out."""
    kept = f"{report['users']:,} users, {report['items']:,} items, {report['interactions']:,} interactions"
    core = f"left out by the {report['options']['core']}-core filter"
    steps = [
        (report["rows"], "rows read"),
        (report["below_min_rating"], f"rated below {report['options']['min_rating']}"),
        (report["duplicates"], "duplicates left out"),
        (report["outside_core"], core),
    ]
    return [kept, *(f"  {count:,} {what}" for count, what in steps if count), *_item_lines(report["items_file"])]


def _item_lines(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    counts = [
        (found["with_title"], "items with a title"),
        (found["with_categories"], "items with categories"),
        (found["items_without_a_row"], "items that the file of items lacks"),
        (found["without_interactions"], "rows about items without interactions, left out"),
        (found["repeated"], "rows about an item that an earlier row is about, left out"),
    ]
    shown = [f"  {count:,} {what}" for count, what in counts if count]
    if found["category_separator"]:
        shown.append(f"  categories were split at '{found['category_separator']}'")
    if found["root_added"]:
        shown.append(f"  categories got the root '{found['root_added']}', since they share none")
    if found["renamed_categories"]:
        old, new = next(iter(found["renamed_categories"].items()))
        count = len(found["renamed_categories"])
        shown.append(f"  {count:,} category names had commas that separate, and were changed ('{old}' to '{new}')")
    return shown
