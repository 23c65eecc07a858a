"""The report of an import: what was read, left out and kept, as stored and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...io.hashing import sha256

if TYPE_CHECKING:
    from pathlib import Path

    from .interactions import InteractionLog, UserSequences
    from .item_metadata import ItemMetadata


def build_report(
    name: str,
    interactions_file: Path,
    items_file: Path | None,
    options: dict[str, Any],
    log: InteractionLog,
    sequences: UserSequences,
    metadata: ItemMetadata | None,
) -> dict[str, Any]:
    """All counts of an import, as plain values for JSON."""
    report: dict[str, Any] = {
        "name": name,
        "interactions_file": {"path": interactions_file.name, "sha256": sha256(interactions_file)},
        "items_file": None,
        "options": options,
        "rows": log.rows,
        "below_min_rating": log.rows - len(log.users),
        "duplicates": sequences.duplicates,
        "outside_core": sequences.outside_core,
        "users": len(sequences.user_ids),
        "items": len(sequences.item_ids),
        "interactions": len(sequences.items),
    }
    if items_file is not None and metadata is not None:
        report["items_file"] = {
            "path": items_file.name,
            "sha256": sha256(items_file),
            "without_interactions": metadata.unknown,
            "repeated": metadata.repeated,
            "items_without_a_row": metadata.missing,
            "with_title": sum("title" in fields for fields in metadata.fields.values()),
            "with_categories": len(metadata.categories.texts),
            "category_separator": metadata.categories.separator,
            "root_added": metadata.categories.root,
            "renamed_categories": metadata.categories.renamed,
        }
    return report


def format_report(report: dict[str, Any]) -> list[str]:
    """The lines of a report; counts of 0 are left out."""
    totals = f"{report['users']:,} users, {report['items']:,} items, {report['interactions']:,} interactions"
    counts = [
        (report["rows"], "row", "read"),
        (report["below_min_rating"], "row", f"rated below {report['options']['min_rating']}"),
        (report["duplicates"], "duplicate", "left out"),
        (report["outside_core"], "interaction", f"left out by the {report['options']['core']}-core filter"),
    ]
    item_lines = [] if report["items_file"] is None else _format_items(report["items_file"])
    return [totals, *_format_counts(counts), *item_lines]


def _format_items(items: dict[str, Any]) -> list[str]:
    counts = [
        (items["with_title"], "item", "with a title"),
        (items["with_categories"], "item", "with categories"),
        (items["items_without_a_row"], "item", "missing from the file of items"),
        (items["without_interactions"], "row", "about items without interactions, left out"),
        (items["repeated"], "row", "about an item that an earlier row is about, left out"),
    ]
    lines = _format_counts(counts)
    if items["category_separator"]:
        lines.append(f"  categories were split at '{items['category_separator']}'")
    if items["root_added"]:
        lines.append(f"  categories got the root '{items['root_added']}', since they have none in common")
    if items["renamed_categories"]:
        old, new = next(iter(items["renamed_categories"].items()))
        count = len(items["renamed_categories"])
        names = "category name" if count == 1 else "category names"
        lines.append(f"  {count:,} {names} changed, because of commas that would separate ('{old}' to '{new}')")
    return lines


def _format_counts(counts: list[tuple[int, str, str]]) -> list[str]:
    return [f"  {count:,} {noun}{'s' if count > 1 else ''} {rest}" for count, noun, rest in counts if count]
