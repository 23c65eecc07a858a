"""Read item metadata: title, description, brand and categories of the items that interactions have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ...errors import DataError
from ..issues import Issues
from .category_paths import CategoryPath, CategoryStrings, Layout, format_paths, parse_list, parse_path
from .columns import ITEM_ROLES, TOKEN_LIST, ColumnNames, match_columns, type_of
from .ids import is_missing, report_missing
from .open_table import open_table
from .table_reader import RowName, TableReader
from .text_format import TextFormat

_TEXT_ROLES = ("title", "description", "brand")
_ONE_LINE_ROLES = ("title", "brand")
_NOT_A_PATH = "categories that are neither a list of names nor a path such as 'Music > Guitars'"


@dataclass(frozen=True)
class ItemOptions:
    """How a file of items is read.

    Attributes:
        layout: what the categories of an item are; None: recognised.
        separator: of the names in category strings; None: recognised.
        keep_na: words such as NA are ids and texts.
        text: see `open_table`.
    """

    layout: Layout | None = None
    separator: str | None = None
    keep_na: bool = False
    text: TextFormat = field(default_factory=lambda: TextFormat(flags="--items-"))


@dataclass
class ItemMetadata:
    """What a file says of items, by external id.

    Attributes:
        fields: text fields of each item in the file.
        categories: category strings.
        unknown: rows about items without interactions, which were left out.
        repeated: rows about an item that an earlier row is about, which were left out.
        missing: items with interactions that the file lacks.
        columns: the columns that were read.
    """

    fields: dict[str, dict[str, str]] = field(default_factory=dict)
    categories: CategoryStrings = field(default_factory=lambda: CategoryStrings({}, "", "", {}))
    unknown: int = 0
    repeated: int = 0
    missing: int = 0
    columns: ColumnNames = field(default_factory=lambda: ColumnNames({}))


def read_item_metadata(
    path: Path, item_ids: Sequence[str], overrides: Mapping[str, str], options: ItemOptions | None = None
) -> ItemMetadata:
    """Stream a file of items and keep what it says of the items with interactions.

    Args:
        path: a file that `open_table` reads.
        item_ids: external ids of the items to keep.
        overrides: role -> column, as the user says; `item` is also tried as the column of ids.
        options: how to read it.

    Raises:
        DataError: the file can't be read, rows are wrong, or none of the items is in it.
    """
    options = options or ItemOptions()
    table, issues, metadata = open_table(path, options.text), Issues(), ItemMetadata()
    same_name = {"id": overrides["item"]} if overrides.get("item") in table.header else {}
    roles = [role for role in ITEM_ROLES if role != "categories" or options.layout != "none"]
    metadata.columns = match_columns(path, table.header, roles, ("id",), same_name | dict(overrides))
    reader = _ItemReader(table, metadata, options, issues)
    id_column = metadata.columns.by_role["id"]
    known_ids = pa.array(item_ids, pa.string())
    names = [id_column, *reader.other_columns]
    for row_name, columns in table.batches(names, issues, lists=reader.other_columns, ids=[id_column]):
        ids = columns[id_column]
        for row, text in enumerate(ids.to_pylist()):
            if is_missing(text, keep_na=options.keep_na):
                report_missing(issues, "id", text, row_name(row))
        known = pc.is_in(ids, known_ids)
        metadata.unknown += len(ids) - (known.true_count or 0)
        for row in pc.indices_nonzero(known).to_pylist():
            reader.add(
                ids[row].as_py(), {name: columns[name][row].as_py() for name in reader.other_columns}, row, row_name
            )
    issues.check(path)
    if not metadata.fields:
        raise DataError(
            f"none of the items in {path} has interactions, so its ids are not those of the interactions "
            f"(such as '{item_ids[0]}'); name the right column with --column id=NAME"
        )
    metadata.missing = len(set(item_ids) - metadata.fields.keys())
    metadata.categories = reader.categories(item_ids)
    return metadata


class _ItemReader:
    """Collects the rows of a file of items."""

    def __init__(self, table: TableReader, metadata: ItemMetadata, options: ItemOptions, issues: Issues) -> None:
        self._table, self._metadata, self._options, self._issues = table, metadata, options, issues
        names = metadata.columns
        self._texts = {role: names.by_role[role] for role in _TEXT_ROLES if role in names.by_role}
        self._category_column = names.by_role.get("categories")
        self.other_columns = [*(name for role, name in names.by_role.items() if role != "id"), *names.category_levels]
        self._is_token_list = type_of(self._category_column or "") == TOKEN_LIST
        self._paths: dict[str, CategoryPath | str] = {}

    def add(self, item: str, cells: Mapping[str, str | None], row: int, row_name: RowName) -> None:
        """Add a row; one about an item that was met before is only counted."""
        if item in self._metadata.fields:
            self._metadata.repeated += 1
            return
        for role in _ONE_LINE_ROLES:
            text = cells.get(self._texts.get(role, ""))
            if text and "\n" in text and self._table.holds_rows(text):
                self._issues.add(f"fields of {role} that hold whole rows, as after a stray quote", row_name(row))
                self._issues.advise(f"correct the quotes{self._options.text.hint('no-quotes')}")
        texts = {role: self._normalise(cells[name]) for role, name in self._texts.items()}
        self._metadata.fields[item] = {role: text for role, text in texts.items() if text}
        try:
            self._paths[item] = self._category_path(cells)
        except ValueError as error:
            self._issues.add(_NOT_A_PATH, f"{row_name(row)}: {str(error)[:40]}")

    def _is_missing(self, text: str | None) -> bool:
        return is_missing(text, keep_na=self._options.keep_na)

    def _normalise(self, text: str | None) -> str:
        """A text on one line; the texts of a list are joined."""
        if text is None or self._is_missing(text):
            return ""
        texts = parse_list(text)
        if texts is not None and all(isinstance(part, str) for part in texts):
            text = " ".join(texts)
        return " ".join(text.split())

    def _category_path(self, cells: Mapping[str, str | None]) -> CategoryPath | str:
        """The categories of one row; empty where there are none.

        Raises:
            ValueError: the cell is not a path; the message is the cell.
        """
        if self._category_column is None:
            levels = (cells[name] for name in self._metadata.columns.category_levels)
            return tuple(text.strip() for text in levels if text is not None and not self._is_missing(text))
        text = cells[self._category_column]
        if text is None or self._is_missing(text):
            return ""
        # Names may be numbers where the file or the user says that the text is a list of names.
        return text.strip() if self._is_token_list and parse_list(text) is None else parse_path(text.strip())

    def categories(self, item_ids: Sequence[str]) -> CategoryStrings:
        """The category strings, in the order of the ids."""
        layout, separator = self._options.layout, self._options.separator
        if self._is_token_list:
            layout, separator = layout or "set", " " if separator is None else separator
        paths = {item: self._paths[item] for item in item_ids if self._paths.get(item)}
        if layout is None and self._metadata.columns.category_levels:
            layout = "path"
        return format_paths(paths, layout, separator)
