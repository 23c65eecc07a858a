"""The latest items of a few users, to show what a dataset holds (`mrbench data show`)."""

from __future__ import annotations

from typing import Any

from ..core.dataset import Dataset
from .item_names import ItemNames

LATEST_ITEMS = 5
"""Items shown of each user."""

_SPLIT_FROM_END = {1: "test", 2: "validation"}
"""Position from the end of a sequence -> the split of the item."""


def sample_users(dataset: Dataset, count: int) -> list[dict[str, Any]]:
    """The latest items of the first users, as plain values for JSON; imported users and items have external ids.

    Returns:
        For each user `user`, `interactions` (their number) and `latest`, a list of items with the keys `item`,
        `categories` and `sid` (code numbers; `categories` is None where the data has none), `title` (else the category
        path, '' where the data has neither) and `part` (train, validation or test).
    """
    samples = []
    names, external_ids = ItemNames(dataset), dataset.external_ids
    for user in range(min(count, dataset.n_users)):
        items = dataset.items[dataset.offsets[user] : dataset.offsets[user + 1]].tolist()
        latest = [
            {**_item(names, items[index]), "part": _SPLIT_FROM_END.get(len(items) - index, "train")}
            for index in range(max(0, len(items) - LATEST_ITEMS), len(items))
        ]
        user_id = external_ids.users[user] if external_ids else int(dataset.users[user])
        samples.append({"user": user_id, "interactions": len(items), "latest": latest})
    return samples


def _item(names: ItemNames, item: int) -> dict[str, Any]:
    dataset = names.dataset
    return {
        "item": names.ids[item],
        "categories": None if dataset.categories is None else dataset.categories[item].tolist(),
        "sid": dataset.sids[item].tolist(),
        "title": names.titles[item],
    }
