"""Users' sequences in a data folder: `<Name>.inter.json` or `user_sequence.txt` (docs/own-data.md, The data folder)."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..core.code_space import Int
from ..core.dataset import MIN_INTERACTIONS
from ..errors import DataError
from ..io.json_files import read_object, read_text
from .catalogue_files import INTEGER

ItemLists = dict[str, list[Any]]
"""User id -> item ids in time order, as a file has them."""


def read_sequences(folder: Path, name: str) -> tuple[Path, ItemLists]:
    """Read every user's item ids, in time order; also returns the file that they come from.

    Raises:
        DataError: neither file exists, or the file is broken.
    """
    json_file, text_file = folder / f"{name}.inter.json", folder / "user_sequence.txt"
    if json_file.is_file():
        return json_file, _read_json(json_file)
    if text_file.is_file():
        return text_file, _read_text(text_file)
    raise DataError(f"{folder} has neither {json_file.name} nor {text_file.name}; put the users' sequences there")


def _read_json(path: Path) -> ItemLists:
    content = read_object(path)
    for user, items in content.items():
        if not isinstance(items, list):
            raise DataError(f"user '{user}' in {path} must have a list of items, like [4, 7, 9]; correct it")
    return content


def _read_text(path: Path) -> ItemLists:
    lines = [words for line in read_text(path).split("\n") if (words := line.split())]
    sequences: ItemLists = {user: items for user, *items in lines}
    if len(sequences) < len(lines):
        raise _duplicate(Counter(user for user, *_ in lines).most_common(1)[0][0], path)
    return sequences


def index_sequences(
    sequences: ItemLists, path: Path, item_ids: list[str], limit: int | None
) -> tuple[Int, Int, Int, int]:
    """Select users and turn their item ids into item indices.

    Args:
        sequences: item ids of each user id.
        path: where they come from, for messages.
        item_ids: the item id of each item index.
        limit: take the first users by integer id, at most this many, then skip those with fewer than 3 interactions;
            None takes all.

    Returns:
        users (U,), offsets (U + 1,), items (interactions,), and how many users were skipped.

    Raises:
        DataError: a user id is not an integer or occurs twice, an item is not in the catalogue, or no user is left.
    """
    ids = _user_ids(list(sequences), path)
    lists = list(sequences.values())
    selected = np.argsort(ids)[:limit]
    selected_lists = [lists[user] for user in selected]
    items = _item_indices(selected_lists, ids[selected], path, item_ids)
    lengths = np.array([len(items_of_user) for items_of_user in selected_lists], dtype=np.int64)
    long_enough = lengths >= MIN_INTERACTIONS
    if not long_enough.any():
        raise DataError(
            f"no user of the {len(selected)} in {path} has {MIN_INTERACTIONS} interactions, "
            "which training, validation and test need; add users with longer sequences"
        )
    offsets = np.concatenate([[0], np.cumsum(lengths[long_enough])]).astype(np.int64)
    skipped = int((~long_enough).sum())
    return ids[selected][long_enough], offsets, items[np.repeat(long_enough, lengths)], skipped


def _user_ids(users: list[str], path: Path) -> Int:
    invalid = next((user for user in users if not INTEGER.fullmatch(user)), None)
    if invalid is not None:
        raise DataError(f"the user id '{invalid}' in {path} is not a whole number; number the users")
    ids = np.array([int(user) for user in users], dtype=np.int64)
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise _duplicate(str(values[counts > 1][0]), path)
    return ids


def _duplicate(user: str, path: Path) -> DataError:
    return DataError(f"user '{user}' occurs twice in {path}; merge or rename the two")


def _item_indices(sequences: list[list[Any]], users: Int, path: Path, item_ids: list[str]) -> Int:
    index_of: dict[Any, int] = {item: index for index, item in enumerate(item_ids)}
    # Files may write the item "7" as the number 7; a second key is faster than converting every number to text.
    integers = [(int(item), index) for index, item in enumerate(item_ids) if INTEGER.fullmatch(item)]
    index_of.update((number, index) for number, index in integers if str(number) == item_ids[index])
    flat = list(chain.from_iterable(sequences))
    # The types are compared because true and 1.0 would be found as 1.
    indices = [index_of.get(item, -1) for item in flat] if {*map(type, flat)} <= {int, str} else [-1]
    if -1 in indices:
        pairs = ((user, item) for user, items in zip(users, sequences, strict=True) for item in items)
        user, item = next(pair for pair in pairs if type(pair[1]) not in (int, str) or pair[1] not in index_of)
        raise DataError(
            f"user {user} in {path} has the item {item!r}, which has no semantic ID in the index file; "
            "add it there, or remove it from the sequence"
        )
    return np.array(indices, dtype=np.int64)
