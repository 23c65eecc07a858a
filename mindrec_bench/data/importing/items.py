"""Read what a file says of the items that interactions have: title, description, brand, categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ...errors import DataError
from ..faults import Faults
from .category_paths import Names, Paths, category_strings, read_list, read_path
from .columns import ITEM_ROLES, choose
from .ids import is_missing
from .open_rows import open_rows

_TEXTS = ("title", "description", "brand")
_NO_PATH = "categories that are neither a list of names nor a path such as 'Music > Guitars'"


@dataclass
class ItemFile:
    """What a file says of items.

    Attributes:
        fields: text fields of each item that has any, by the user's own id.
        paths: their categories.
        unseen: rows about items without interactions, which were left out.
        repeated: rows about an item that an earlier row is about, which were left out.
        missing: items of interactions that the file lacks.
    """

    fields: dict[str, dict[str, str]] = field(default_factory=dict)
    paths: Paths = field(default_factory=lambda: Paths({}, "", "", {}))
    unseen: int = 0
    repeated: int = 0
    missing: int = 0


def read_items(path: Path, item_ids: Sequence[str], given: Mapping[str, str]) -> ItemFile:
    """Stream a file of items and keep what it says of some of them.

    Args:
        path: any file that `rows` reads.
        item_ids: the user's own ids of the items to keep.
        given: role -> column, where the name is not a usual one; `item` is also tried as the column of ids.

    Raises:
        DataError: the file can't be read, rows are wrong, or none of the items is in it.
    """
    table, faults = open_rows(path), Faults()
    same = {"id": given["item"]} if given.get("item") in table.header else {}
    columns = choose(path, table.header, ITEM_ROLES, ("id",), same | dict(given))
    names = {role: name for role, name in columns.names.items() if role != "id"}
    read, wanted, found = [columns.names["id"], *names.values(), *columns.levels], set(item_ids), ItemFile()
    seen: set[str] = set()
    categories: dict[str, Names | str] = {}
    for place, batch in table.batches(read, faults, lists=read[1:]):
        ids = batch[read[0]]
        for row in _missing_rows(ids):
            faults.add("rows without id", place(row))
        keep = pc.is_in(ids, pa.array(item_ids, pa.string()))
        found.unseen += len(ids) - (keep.true_count or 0)
        for row in pc.indices_nonzero(keep).to_pylist():
            item = ids[row].as_py()
            if item in seen:
                found.repeated += 1
                continue
            seen.add(item)
            cells = {name: batch[name][row].as_py() for name in read[1:]}
            texts = {role: _plain(cells[name]) for role, name in names.items() if role in _TEXTS}
            found.fields[item] = {role: text for role, text in texts.items() if text}
            try:
                categories[item] = _categories(cells, names.get("categories"), columns.levels)
            except ValueError as error:
                faults.add(_NO_PATH, f"{place(row)}: {str(error)[:40]}")
    faults.check(path)
    if not seen:
        raise DataError(
            f"none of the items in {path} has interactions, so its ids are not those of the interactions "
            f"(such as '{item_ids[0]}'); name the right column with --column id=NAME"
        )
    found.missing = len(wanted - seen)
    found.paths = category_strings({item: categories[item] for item in item_ids if categories.get(item)})
    return found


def _missing_rows(ids: pa.Array) -> list[int]:
    return [row for row, text in enumerate(ids.to_pylist()) if is_missing(text)]


def _plain(text: str | None) -> str:
    """A text on one line; the texts of a list after each other."""
    if text is None or is_missing(text):
        return ""
    parts = read_list(text)
    if parts is not None and all(isinstance(part, str) for part in parts):
        text = " ".join(parts)
    return " ".join(text.split())


def _categories(cells: Mapping[str, str | None], column: str | None, levels: Sequence[str]) -> Names | str:
    """The category path of one row; empty where there is none.

    Raises:
        ValueError: the cell is no path; the message is the cell.
    """
    texts = [text for name in levels if (text := cells[name]) is not None and not is_missing(text)]
    if column is None:
        return tuple(texts)
    text = cells[column]
    return "" if text is None or is_missing(text) else read_path(text)
