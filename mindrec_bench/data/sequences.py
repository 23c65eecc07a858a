"""The users' sequences of a data folder: `<Name>.inter.json` or `user_sequence.txt` (semantics: data)."""

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

Sequences = dict[str, list[Any]]


def read_sequences(folder: Path, name: str) -> tuple[Path, Sequences]:
    """Read every user's item ids, in time order, and say from which file.

    Raises:
        DataError: neither file is there, or one is broken.
    """
    as_json, as_text = folder / f"{name}.inter.json", folder / "user_sequence.txt"
    if as_json.is_file():
        return as_json, _from_json(as_json)
    if as_text.is_file():
        return as_text, _from_text(as_text)
    raise DataError(f"{folder} has neither {as_json.name} nor {as_text.name}; put the users' sequences there")


def _from_json(path: Path) -> Sequences:
    content = read_object(path)
    for user, items in content.items():
        if not isinstance(items, list):
            raise DataError(f"user '{user}' in {path} must have a list of items, like [4, 7, 9]; correct it")
    return content


def _from_text(path: Path) -> Sequences:
    rows = [line.split() for line in read_text(path).split("\n")]
    rows = [row for row in rows if row]
    found: Sequences = {row[0]: row[1:] for row in rows}
    if len(found) < len(rows):
        raise _twice(Counter(row[0] for row in rows).most_common(1)[0][0], path)
    return found


def arrange(sequences: Sequences, path: Path, item_ids: list[str], limit: int | None) -> tuple[Int, Int, Int, int]:
    """Keep the first users and turn their item ids into item indices.

    Args:
        sequences: item ids of each user id.
        path: where they come from, for messages.
        item_ids: the item id of each item index.
        limit: keep the first so many users by integer id, then skip those with fewer than 3 interactions; None keeps
            all.

    Returns:
        users (U,), offsets (U + 1,), items (interactions,), and how many users were skipped.

    Raises:
        DataError: a user id is no integer or stands twice, an item is not in the catalogue, or no user is left.
    """
    ids = _user_ids(list(sequences), path)
    rows = list(sequences.values())
    kept = np.argsort(ids)[:limit]
    chosen = [rows[row] for row in kept]
    indices = _item_indices(chosen, ids[kept], path, item_ids)
    lengths = np.array([len(row) for row in chosen], dtype=np.int64)
    enough = lengths >= MIN_INTERACTIONS
    if not enough.any():
        raise DataError(
            f"no user of the {len(kept)} in {path} has {MIN_INTERACTIONS} interactions, "
            "which training, validation and test need; add users with longer sequences"
        )
    offsets = np.concatenate([[0], np.cumsum(lengths[enough])]).astype(np.int64)
    return ids[kept][enough], offsets, indices[np.repeat(enough, lengths)], int((~enough).sum())


def _user_ids(users: list[str], path: Path) -> Int:
    bad = next((user for user in users if not INTEGER.fullmatch(user)), None)
    if bad is not None:
        raise DataError(f"the user id '{bad}' in {path} is not a whole number; number the users")
    ids = np.array([int(user) for user in users], dtype=np.int64)
    values, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise _twice(str(values[counts > 1][0]), path)
    return ids


def _twice(user: str, path: Path) -> DataError:
    return DataError(f"user '{user}' stands twice in {path}; join or rename the two")


def _item_indices(rows: list[list[Any]], users: Int, path: Path, item_ids: list[str]) -> Int:
    lookup: dict[Any, int] = {item: index for index, item in enumerate(item_ids)}
    # Files may write the item "7" as the number 7; a second key is quicker than spelling every number out.
    whole = [(int(item), index) for index, item in enumerate(item_ids) if INTEGER.fullmatch(item)]
    lookup.update((number, index) for number, index in whole if str(number) == item_ids[index])
    flat = list(chain.from_iterable(rows))
    # The types are compared, since true and 1.0 would be found as 1.
    found = [lookup.get(item, -1) for item in flat] if {*map(type, flat)} <= {int, str} else [-1]
    if -1 in found:
        known = ((user, item) for user, row in zip(users, rows, strict=True) for item in row)
        user, item = next(pair for pair in known if type(pair[1]) not in (int, str) or pair[1] not in lookup)
        raise DataError(
            f"user {user} in {path} has the item {item!r}, which has no semantic ID in the index file; "
            "add it there, or remove it from the sequence"
        )
    return np.array(found, dtype=np.int64)
