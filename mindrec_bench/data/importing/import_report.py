"""The report of an import: what was read, left out and kept, as stored and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...io.hashing import sha256

if TYPE_CHECKING:
    from pathlib import Path

    from .interactions import InteractionLog, UserSequences
    from .item_metadata import ItemMetadata


MAX_COLUMNS = 8
"""Columns that are not read which the text names."""


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
        "columns": log.columns.as_dict(),
        "items_file": None,
        "options": options,
        "rows": log.rows,
        "unrated": log.unrated,
        "below_min_rating": log.below_min_rating,
        "outside_period": sequences.outside_period,
        "duplicates": sequences.duplicates,
        "outside_core": sequences.outside_core,
        "users": len(sequences.user_ids),
        "items": len(sequences.item_ids),
        "interactions": len(sequences.items),
        "times": {"known": sequences.times is not None, "unit": sequences.unit},
        "ties": {"interactions": sequences.ties.interactions, "test_targets": sequences.ties.targets},
    }
    if items_file is not None and metadata is not None:
        report["items_file"] = {
            "path": items_file.name,
            "sha256": sha256(items_file),
            "columns": metadata.columns.as_dict(),
            "without_interactions": metadata.unknown,
            "repeated": metadata.repeated,
            "items_without_a_row": metadata.missing,
            "with_title": sum("title" in fields for fields in metadata.fields.values()),
            "with_categories": len(metadata.categories.texts),
            "category_layout": options["category_layout"] or metadata.categories.layout,
            "category_layout_guessed": metadata.categories.guessed and options["category_layout"] is None,
            "category_separator": metadata.categories.separator,
            "root_added": metadata.categories.root,
            "renamed_categories": metadata.categories.renamed,
            "shared_categories": metadata.categories.shared,
        }
    return report


def format_report(report: dict[str, Any]) -> list[str]:
    """The lines of a report; counts of 0 are left out."""
    totals = f"{report['users']:,} users, {report['items']:,} items, {report['interactions']:,} interactions"
    options = report["options"]
    period = [f"--{flag} {options[flag]}" for flag in ("since", "until") if options[flag] is not None]
    counts = [
        (report["rows"], "row", "read"),
        (report["unrated"], "row", "without a rating, left out"),
        (report["below_min_rating"], "row", f"rated below {options['min_rating']}, left out"),
        (report["outside_period"], "row", f"outside {' '.join(period)}, left out"),
        (report["duplicates"], "duplicate", "left out"),
        (report["outside_core"], "interaction", f"left out by the {_core_name(options)} filter"),
    ]
    item_lines = [] if report["items_file"] is None else _format_items(report["items_file"])
    return [totals, *_format_columns(report), *_format_counts(counts), *_format_ties(report), *item_lines]


def _core_name(options: dict[str, Any]) -> str:
    user_core, item_core = options["user_core"], options["item_core"]
    return f"{user_core}-core" if user_core == item_core else f"{user_core}-user-core and {item_core}-item-core"


def _format_columns(report: dict[str, Any]) -> list[str]:
    files = [report] if report["items_file"] is None else [report, report["items_file"]]
    lines = []
    for file, path in zip(files, (report["interactions_file"], report["items_file"]), strict=False):
        columns = file["columns"]
        read = ", ".join(f"{role} = {name}" for role, name in columns["read"].items())
        others = columns["not_read"]
        names = ", ".join(others[:MAX_COLUMNS]) + (", ..." if len(others) > MAX_COLUMNS else "")
        lines.append(f"  columns of {path['path']}: {read}" + (f"; not read: {names}" if others else ""))
    return lines


def _format_ties(report: dict[str, Any]) -> list[str]:
    ties = report["ties"]
    if not report["times"]["known"]:
        return ["  times are not known: the rows count as in time order"]
    if not ties["interactions"]:
        return []
    rule = "the file" if report["options"]["file_order"] else "a fixed rule (--file-order keeps the file's)"
    targets = ties["test_targets"]
    return [
        f"  {ties['interactions']:,} interactions at the time of another one of their user, in the order of {rule}; "
        f"{targets:,} test {'target is' if targets == 1 else 'targets are'} among them"
    ]


def _format_items(items: dict[str, Any]) -> list[str]:
    counts = [
        (items["with_title"], "item", "with a title"),
        (items["with_categories"], "item", "with categories"),
        (items["items_without_a_row"], "item", "missing from the file of items"),
        (items["without_interactions"], "row", "about items without interactions, left out"),
        (items["repeated"], "row", "about an item that an earlier row is about, left out"),
    ]
    lines = _format_counts(counts)
    if items["category_layout"] == "none":
        lines.append("  categories were left out (--category-layout none)")
    elif items["category_layout"] == "set" and items["with_categories"]:
        hint = "; --category-layout path reads them from coarse to fine" if items["category_layout_guessed"] else ""
        lines.append(
            "  categories are sets: an item's most frequent name is its first level, the next one its second, others "
            f"are left out{hint}"
        )
    if items["category_separator"]:
        lines.append(f"  categories were split at '{items['category_separator']}'")
    if items["root_added"]:
        lines.append(f"  categories got the root '{items['root_added']}', since they have none in common")
    if items["renamed_categories"]:
        old, new = next(iter(items["renamed_categories"].items()))
        count = len(items["renamed_categories"])
        names = "category name" if count == 1 else "category names"
        lines.append(f"  {count:,} {names} changed, because of commas that would separate ('{old}' to '{new}')")
    if items["shared_categories"]:
        name, (first, second) = next(iter(items["shared_categories"].items()))
        count = len(items["shared_categories"])
        names = "category name is" if count == 1 else "category names are"
        lines.append(
            f"  {count:,} {names} below several parents ('{name}' below '{first}' and '{second}'): a name is one node "
            "of the tree, below the first, so items below the others lose their own branch; make such names differ "
            f"('{second} {name}') to keep it"
        )
    return lines


def _format_counts(counts: list[tuple[int, str, str]]) -> list[str]:
    return [f"  {count:,} {noun}{'s' if count > 1 else ''} {rest}" for count, noun, rest in counts if count]
