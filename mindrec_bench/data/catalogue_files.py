"""The catalogue of a data folder: item ids, semantic IDs, category codes and texts (docs/semantics.md, Data)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.code_space import Int
from ..core.dataset import ItemTexts
from ..errors import DataError
from ..io.hashing import sha256
from ..io.json_files import read_object
from .category_tree import category_codes

INTEGER = re.compile(r"-?[0-9]{1,18}")
SID_CODE = re.compile(r"<[A-Za-z]+_([0-9]{1,18})>")
CATEGORY_CODE = re.compile(r"<[A-Za-z]+:([0-9]{1,18})>")

DEFAULT_LEVELS = 3
"""Category levels that are made from category strings."""

TEXT_FIELDS = ("title", "description", "brand", "categories")


@dataclass(frozen=True, eq=False)
class Categories:
    """Category codes of a catalogue.

    Attributes:
        codes: category code numbers. Shape: (N, L)
        missing: items that have no category.
        notes: sentences to show beside results.
    """

    codes: Int
    missing: int = 0
    notes: tuple[str, ...] = ()


def sort_ids(ids: Collection[str]) -> list[str]:
    """Ids in the order of a catalogue: in integer order when all are integers, else in text order."""
    if all(INTEGER.fullmatch(id_) for id_ in ids):
        return sorted(ids, key=lambda id_: (int(id_), id_))
    return sorted(ids)


def read_semantic_ids(path: Path) -> tuple[list[str], Int]:
    """Read `<Name>.index.json`.

    Returns:
        The sorted item ids (see `sort_ids`), and the SID code numbers of these items. Shape: (N, M)

    Raises:
        DataError: the file is broken, a code malformed, or a SID longer or shorter than the others.
    """
    check_index(path)
    content = read_object(path)
    if not content:
        raise DataError(f"{path} holds no items; it must give each item its semantic ID")
    items = sort_ids(content)
    return items, _code_numbers({item: content[item] for item in items}, SID_CODE, "<a_11>", path)


def check_index(path: Path) -> None:
    """Check that `<Name>.index.json` is what its record `<Name>.index.meta.json` was written for, where it has one.

    Raises:
        DataError: it is not.
    """
    record = path.with_name(f"{path.name.removesuffix('.json')}.meta.json")
    if not path.is_file() or not record.is_file():
        return
    expected = read_object(record).get("index_sha256")
    if expected is not None and expected != sha256(path):
        raise DataError(
            f"{path} is not the file that {record.name} describes; make the semantic IDs again with `mrbench data "
            f"tokenize --force`, or remove {record.name} if you changed them yourself"
        )


def read_categories(folder: Path, name: str, items: list[str], levels: int | None) -> Categories | None:
    """Read `<Name>.category.json`, else the categories in `<Name>.item.json`.

    Args:
        folder: the data folder.
        name: the name that its files carry.
        items: the sorted ids of the catalogue. Length N.
        levels: L; None keeps all levels of `<Name>.category.json`, and makes 3 from category strings.

    Returns:
        None where neither file exists, or no item has a category.

    Raises:
        DataError: a file is broken, lacks the codes of an item, or has categories that are not a string.
    """
    codes_file, items_file = folder / f"{name}.category.json", folder / f"{name}.item.json"
    if codes_file.is_file():
        return _read_category_codes(codes_file, items, levels)
    return _read_category_strings(items_file, items, levels or DEFAULT_LEVELS) if items_file.is_file() else None


def _read_category_codes(path: Path, items: list[str], levels: int | None) -> Categories:
    content = read_object(path)
    missing = next((item for item in items if item not in content), None)
    if missing is not None:
        raise DataError(f"item '{missing}' has no category codes in {path}; add them, or remove the file")
    codes = _code_numbers({item: content[item] for item in items}, CATEGORY_CODE, "<a:0>", path)
    if levels is not None and codes.shape[1] < levels:
        raise DataError(
            f"{path} gives {codes.shape[1]} category levels, fewer than levels={levels}; ask for fewer levels"
        )
    return Categories(codes[:, :levels])


def _read_category_strings(path: Path, items: list[str], levels: int) -> Categories | None:
    texts: dict[str, str] = {}
    imputed = set()
    for item, fields in read_object(path).items():
        if not isinstance(fields, dict):
            raise DataError(f"item '{item}' in {path} must be an object of fields like \"categories\"; correct it")
        text = fields.get("categories")
        if text is None:
            continue
        if not isinstance(text, str):
            raise DataError(
                f"the categories of item '{item}' in {path} must be one string such as \"Arts,Sewing,Thread\", "
                f"not a {type(text).__name__}; change them, or remove the field"
            )
        texts[item] = text
        if fields.get("categories_source") == "imputed":
            imputed.add(item)
    codes, missing = category_codes(texts, items, levels)
    if missing == len(items):
        return None
    count = sum(item in imputed for item in items)
    notes = (f"categories of {count:,} of {len(items):,} items are imputed",) if count else ()
    return Categories(codes, missing, notes)


def _code_numbers(content: Mapping[str, Any], pattern: re.Pattern[str], example: str, path: Path) -> Int:
    """The numbers in lists of codes such as <a_11>, all lists of one length. Shape: (items, codes per list)"""
    for item, codes in content.items():
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise DataError(f"item '{item}' in {path} must have a list of codes like [\"{example}\", ...]; correct it")
    length, _ = Counter(map(len, content.values())).most_common(1)[0]
    if not length:
        raise DataError(f'most items in {path} have an empty list of codes; write codes like ["{example}", ...]')
    outlier = next((item for item, codes in content.items() if len(codes) != length), None)
    if outlier is not None:
        raise DataError(
            f"item '{outlier}' in {path} has {len(content[outlier])} codes where the others have {length}; "
            f"give all items the same number"
        )
    flat = [code for codes in content.values() for code in codes]
    numbers: dict[str, int] = {}
    for code in dict.fromkeys(flat):
        match = pattern.fullmatch(code)
        if match is None:
            item = next(item for item, codes in content.items() if code in codes)
            raise DataError(f"the code '{code}' of item '{item}' in {path} is malformed; write codes like {example}")
        numbers[code] = int(match[1])
    return np.array([numbers[code] for code in flat], dtype=np.int64).reshape(-1, length)


def read_texts(path: Path, item_ids: Sequence[str]) -> ItemTexts | None:
    """The text fields in `<Name>.item.json`; None where the file does not exist.

    Args:
        path: the file.
        item_ids: the catalogue; items that the file lacks have empty fields.

    Raises:
        DataError: the file is broken, or a field is neither a string nor a list of strings.
    """
    if not path.is_file():
        return None
    content = read_object(path)
    columns = {
        field: tuple(_field_text(content.get(item), field, item, path) for item in item_ids) for field in TEXT_FIELDS
    }
    return ItemTexts(**columns)


def _field_text(fields: Any, field: str, item: str, path: Path) -> str:
    value = fields.get(field) if isinstance(fields, dict) else None
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return (", " if field != "categories" else ",").join(value).strip()
    if not isinstance(value, str):
        raise DataError(f"item {item} in {path} has the {field} {value!r}, which is not text; write a string")
    return value.strip()
