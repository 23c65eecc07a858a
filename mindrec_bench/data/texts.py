"""What the catalogue's items are called, for models and tokenizers that read text (semantics section 1: item.json)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..identity import short_hash
from .jsonfile import read_object

FIELDS = ("title", "description", "brand", "categories")


@dataclass(frozen=True, eq=False)
class ItemTexts:
    """The text fields of N items, in the order of the catalogue; an empty string where a field is missing.

    Attributes:
        title, description, brand: as written. Length N each.
        categories: the category path as one string, as in the files. Length N.
    """

    title: tuple[str, ...]
    description: tuple[str, ...]
    brand: tuple[str, ...]
    categories: tuple[str, ...]

    @property
    def named(self) -> int:
        """How many items have a title or a description: text of their own."""
        return sum(bool(title or words) for title, words in zip(self.title, self.description, strict=True))

    @cached_property
    def fingerprint(self) -> str:
        """Twelve hex digits that are equal exactly for equal texts; part of the identity of runs that read them."""
        return short_hash(asdict(self))


def read_texts(path: Path, item_ids: Sequence[str]) -> ItemTexts | None:
    """The text fields in an `<Name>.item.json`; None where there is no such file.

    Args:
        path: the file.
        item_ids: the catalogue; items that the file lacks have empty fields.

    Raises:
        DataError: the file is broken, or a field is neither text nor a list of texts.
    """
    if not path.is_file():
        return None
    content = read_object(path)
    columns = {field: tuple(_text(content.get(item), field, item, path) for item in item_ids) for field in FIELDS}
    return ItemTexts(**columns)


def _text(entry: Any, field: str, item: str, path: Path) -> str:
    value = entry.get(field) if isinstance(entry, dict) else None
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return (", " if field != "categories" else ",").join(value).strip()
    if not isinstance(value, str):
        raise DataError(f"item {item} in {path} has the {field} {value!r}, which is no text; write a string")
    return value.strip()
