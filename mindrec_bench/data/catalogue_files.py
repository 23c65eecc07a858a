"""The catalogue of a data folder: item ids, semantic IDs and category codes (semantics: data)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.code_space import Int
from ..errors import DataError
from ..io.json_files import read_object
from .category_tree import category_codes

INTEGER = re.compile(r"-?[0-9]{1,18}")
SID_CODE = re.compile(r"<[A-Za-z]+_([0-9]{1,18})>")
CATEGORY_CODE = re.compile(r"<[A-Za-z]+:([0-9]{1,18})>")


@dataclass(frozen=True, eq=False)
class Categories:
    """Category codes of a catalogue, and what to know about them.

    Attributes:
        codes: category code numbers. Shape: (N, L)
        without: items that have no category.
        notes: sentences to show beside results.
    """

    codes: Int
    without: int = 0
    notes: tuple[str, ...] = ()


def read_semantic_ids(path: Path) -> tuple[list[str], Int]:
    """Read `<Name>.index.json`.

    Returns:
        The item ids in rising order (integer order when all are integers, else text order), and the SID code numbers of
        these items. Shape: (N, M)

    Raises:
        DataError: the file is broken, a code malformed, or a SID of another length than the others.
    """
    content = read_object(path)
    if not content:
        raise DataError(f"{path} holds no item; it must give every item its semantic ID")
    items = in_order(content)
    return items, _numbers({item: content[item] for item in items}, SID_CODE, "<a_11>", path)


def in_order(items: Collection[str]) -> list[str]:
    """Item ids in the order of a catalogue: integer order when all are integers, else text order."""
    whole = all(INTEGER.fullmatch(item) for item in items)
    return sorted(items, key=lambda item: (int(item), item)) if whole else sorted(items)


def read_categories(folder: Path, name: str, items: list[str], levels: int | None) -> Categories | None:
    """Read `<Name>.category.json`, else the categories in `<Name>.item.json`.

    Args:
        folder: the data folder.
        name: the name that its files carry.
        items: the ids of the catalogue, in order. Length N.
        levels: L; None keeps ready codes whole and makes 3 levels from category strings.

    Returns:
        None where neither file is there, or no item has a category.

    Raises:
        DataError: a file is broken, lacks a ready code, or holds categories that are no string.
    """
    ready, described = folder / f"{name}.category.json", folder / f"{name}.item.json"
    if ready.is_file():
        return _read_ready(ready, items, levels)
    return _read_strings(described, items, levels or 3) if described.is_file() else None


def _read_ready(path: Path, items: list[str], levels: int | None) -> Categories:
    content = read_object(path)
    missing = next((item for item in items if item not in content), None)
    if missing is not None:
        raise DataError(f"item '{missing}' has no category codes in {path}; add them, or remove the file")
    codes = _numbers({item: content[item] for item in items}, CATEGORY_CODE, "<a:0>", path)
    if levels is not None and codes.shape[1] < levels:
        raise DataError(
            f"{path} gives {codes.shape[1]} category levels, fewer than levels={levels}; ask for fewer levels"
        )
    return Categories(codes[:, :levels])


def _read_strings(path: Path, items: list[str], levels: int) -> Categories | None:
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
    codes, without = category_codes(texts, items, levels)
    if without == len(items):
        return None
    count = sum(item in imputed for item in items)
    notes = (f"categories of {count:,} of {len(items):,} items are imputed",) if count else ()
    return Categories(codes, without, notes)


def _numbers(content: Mapping[str, Any], pattern: re.Pattern[str], example: str, path: Path) -> Int:
    """The numbers in lists of codes such as <a_11>, all lists of one length. Shape: (items, codes a list)"""
    for item, codes in content.items():
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise DataError(f"item '{item}' in {path} must have a list of codes like [\"{example}\", ...]; correct it")
    length, _ = Counter(map(len, content.values())).most_common(1)[0]
    if not length:
        raise DataError(f'most items in {path} have an empty list of codes; write codes like ["{example}", ...]')
    odd = next((item for item, codes in content.items() if len(codes) != length), None)
    if odd is not None:
        raise DataError(
            f"item '{odd}' in {path} has {len(content[odd])} codes where the others have {length}; "
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
