"""What an import did, in words."""

from __future__ import annotations

from typing import Any


def lines(report: dict[str, Any]) -> list[str]:
    """A report of `importer.run_import` as lines; what did not happen is left out."""
    kept = f"{report['users']:,} users, {report['items']:,} items, {report['interactions']:,} interactions"
    core = f"left out by the {report['options']['core']}-core filter"
    steps = [
        (report["rows"], "row", "read"),
        (report["below_min_rating"], "row", f"rated below {report['options']['min_rating']}"),
        (report["duplicates"], "duplicate", "left out"),
        (report["outside_core"], "interaction", core),
    ]
    return [kept, *_counted(steps), *_item_lines(report["items_file"])]


def _counted(counts: list[tuple[int, str, str]]) -> list[str]:
    return [f"  {count:,} {noun}{'s' if count > 1 else ''} {rest}" for count, noun, rest in counts if count]


def _item_lines(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    counts = [
        (found["with_title"], "item", "with a title"),
        (found["with_categories"], "item", "with categories"),
        (found["items_without_a_row"], "item", "that the file of items lacks"),
        (found["without_interactions"], "row", "about items that no kept interaction has, left out"),
        (found["repeated"], "row", "about an item that an earlier row is about, left out"),
    ]
    shown = _counted(counts)
    if found["category_separator"]:
        shown.append(f"  categories were split at '{found['category_separator']}'")
    if found["root_added"]:
        shown.append(f"  categories got the root '{found['root_added']}', since they share none")
    if found["renamed_categories"]:
        old, new = next(iter(found["renamed_categories"].items()))
        count = len(found["renamed_categories"])
        names = "category name" if count == 1 else "category names"
        shown.append(f"  {count:,} {names} changed, for commas that would separate ('{old}' to '{new}')")
    return shown
