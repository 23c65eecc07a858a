"""What the catalogue's items are called, for models and tokenizers that read text (semantics section 1: item.json)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.dataset import ItemTexts
from ..errors import DataError
from ..io.json_files import read_object

FIELDS = ("title", "description", "brand", "categories")


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
