"""A few users' latest items in words and codes, so that a person can see what the data is (`mrbench data show`)."""

from __future__ import annotations

from typing import Any

from ..core.code_space import Int
from ..core.dataset import Dataset

LATEST = 5
"""Items shown of each user."""

_SPLIT = {1: "test", 2: "validation"}
"""Place from the end -> the part of the split."""

_WIDTH = 72
"""Characters of a title."""


def samples(dataset: Dataset, count: int) -> list[dict[str, Any]]:
    """The latest items of the first users, in JSON's types; imported users and items have their own ids.

    Returns:
        For each user `user`, `interactions` (how many in all) and `latest`: `item`, `categories` and `sid` (code
        numbers; `categories` is None where the data has none), `title` ('' where there is none) or else the category
        path, and `part`, the part of the split it is in.
    """
    found = []
    for user in range(min(count, dataset.n_users)):
        items = dataset.items[dataset.offsets[user] : dataset.offsets[user + 1]]
        places = range(max(0, len(items) - LATEST), len(items))
        latest = [_item(dataset, int(items[at])) | {"part": _SPLIT.get(len(items) - at, "train")} for at in places]
        own = dataset.external_ids
        name = own.users[user] if own else int(dataset.users[user])
        found.append({"user": name, "interactions": len(items), "latest": latest})
    return found


def _item(dataset: Dataset, item: int) -> dict[str, Any]:
    own, texts = dataset.external_ids, dataset.texts
    return {
        "item": own.items[item] if own else dataset.item_ids[item],
        "categories": None if dataset.categories is None else dataset.categories[item].tolist(),
        "sid": dataset.sids[item].tolist(),
        "title": (texts.title[item] or texts.categories[item]) if texts else "",
    }


def lines(found: list[dict[str, Any]]) -> list[str]:
    """What `samples` found, as text."""
    shown = []
    for sample in found:
        latest = sample["latest"]
        rows = [_cells(entry) for entry in latest]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        shown.append(f"user {sample['user']}, the latest {len(latest)} of {sample['interactions']:,} items")
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
            shown.append(f"  {'  '.join(cells)}".rstrip())
    return shown


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    codes = (_codes(entry["categories"]), _codes(entry["sid"]))
    return (entry["item"], *codes, _part(entry["part"]), _cut(entry["title"]))


def _codes(numbers: Int | list[int] | None) -> str:
    return "" if numbers is None else "-".join(map(str, numbers))


def _part(part: str) -> str:
    return "" if part == "train" else f"({part})"


def _cut(title: str) -> str:
    return title if len(title) <= _WIDTH else f"{title[: _WIDTH - 3]}..."
