"""Read item metadata: title, description, brand and categories of the items that interactions have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ...errors import DataError
from ..issues import Issues
from .category_paths import CategoryPath, CategoryStrings, format_paths, parse_list, parse_path
from .columns import ITEM_ROLES, match_columns
from .ids import is_missing
from .open_table import open_table

_TEXT_ROLES = ("title", "description", "brand")
_NOT_A_PATH = "categories that are neither a list of names nor a path such as 'Music > Guitars'"


@dataclass
class ItemMetadata:
    """What a file says of items, by external id.

    Attributes:
        fields: text fields of each item in the file.
        categories: category strings.
        unknown: rows about items without interactions, which were left out.
        repeated: rows about an item that an earlier row is about, which were left out.
        missing: items with interactions that the file lacks.
    """

    fields: dict[str, dict[str, str]] = field(default_factory=dict)
    categories: CategoryStrings = field(default_factory=lambda: CategoryStrings({}, "", "", {}))
    unknown: int = 0
    repeated: int = 0
    missing: int = 0


def read_item_metadata(path: Path, item_ids: Sequence[str], overrides: Mapping[str, str]) -> ItemMetadata:
    """Stream a file of items and keep what it says of the items with interactions.

    Args:
        path: a file that `open_table` reads.
        item_ids: external ids of the items to keep.
        overrides: role -> column, as the user says; `item` is also tried as the column of ids.

    Raises:
        DataError: the file can't be read, rows are wrong, or none of the items is in it.
    """
    table, issues, metadata = open_table(path), Issues(), ItemMetadata()
    same_name = {"id": overrides["item"]} if overrides.get("item") in table.header else {}
    names = match_columns(path, table.header, ITEM_ROLES, ("id",), same_name | dict(overrides))
    id_column, category_column = names.by_role["id"], names.by_role.get("categories")
    text_columns = {role: names.by_role[role] for role in _TEXT_ROLES if role in names.by_role}
    other_columns = [*(name for role, name in names.by_role.items() if role != "id"), *names.category_levels]
    paths: dict[str, CategoryPath | str] = {}
    for row_name, columns in table.batches([id_column, *other_columns], issues, lists=other_columns):
        ids = columns[id_column]
        for row, text in enumerate(ids.to_pylist()):
            if is_missing(text):
                issues.add("rows without id", row_name(row))
        known = pc.is_in(ids, pa.array(item_ids, pa.string()))
        metadata.unknown += len(ids) - (known.true_count or 0)
        for row in pc.indices_nonzero(known).to_pylist():
            item = ids[row].as_py()
            if item in metadata.fields:
                metadata.repeated += 1
                continue
            cells = {name: columns[name][row].as_py() for name in other_columns}
            texts = {role: _normalise(cells[name]) for role, name in text_columns.items()}
            metadata.fields[item] = {role: text for role, text in texts.items() if text}
            try:
                paths[item] = _category_path(cells, category_column, names.category_levels)
            except ValueError as error:
                issues.add(_NOT_A_PATH, f"{row_name(row)}: {str(error)[:40]}")
    issues.check(path)
    if not metadata.fields:
        raise DataError(
            f"none of the items in {path} has interactions, so its ids are not those of the interactions "
            f"(such as '{item_ids[0]}'); name the right column with --column id=NAME"
        )
    metadata.missing = len(set(item_ids) - metadata.fields.keys())
    metadata.categories = format_paths({item: paths[item] for item in item_ids if paths.get(item)})
    return metadata


def _normalise(text: str | None) -> str:
    """A text on one line; the texts of a list are joined."""
    if text is None or is_missing(text):
        return ""
    texts = parse_list(text)
    if texts is not None and all(isinstance(part, str) for part in texts):
        text = " ".join(texts)
    return " ".join(text.split())


def _category_path(cells: Mapping[str, str | None], column: str | None, levels: Sequence[str]) -> CategoryPath | str:
    """The category path of one row; empty where there is none.

    Raises:
        ValueError: the cell is not a path; the message is the cell.
    """
    if column is None:
        return tuple(text for name in levels if (text := cells[name]) is not None and not is_missing(text))
    text = cells[column]
    return "" if text is None or is_missing(text) else parse_path(text)
