"""Read a data folder `<root>/<Name>/` in the layout of the public LETTER, LC-Rec and MindRec releases.

The formats are in docs/own-data.md, The data folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import partial
from pathlib import Path

import numpy as np

from ..core.code_space import Int
from ..core.dataset import Dataset
from ..errors import DataError
from ..io.json_files import read_object
from .catalogue_files import INTEGER, Categories, read_categories, read_semantic_ids, read_texts, sort_ids
from .external_ids import read_external_ids
from .sequences import ItemLists, index_sequences, read_sequences
from .times import read_times


def read_folder(folder: Path, *, users: int | None = None, levels: int | None = None) -> Dataset:
    """Read the dataset in a folder, whose files carry the folder's name.

    Args:
        folder: holds `<Name>.inter.json` or `user_sequence.txt`, and optionally `<Name>.index.json`,
            `<Name>.item.json`, `<Name>.category.json` or `<Name>.times.parquet`. Without an index the catalogue is that
            of `read_untokenized`, an item is its own code, and there are no categories (`Dataset.has_sids`).
        users: take the first users by integer id, at most this many (of these, those with fewer than 3 interactions are
            skipped and counted); None takes all.
        levels: L, the category levels; None: all that `<Name>.category.json` has, or 3 from category strings.

    Raises:
        DataError: a file is missing or broken; the message names the file and the place in it.
    """
    name = _name(folder)
    index_file = folder / f"{name}.index.json"
    path, sequences = read_sequences(folder, name)
    if not index_file.is_file():
        item_ids = _untokenized_items(folder, name, sequences)
        return _build(folder, path, sequences, users, item_ids, None, None)
    item_ids, sids = read_semantic_ids(index_file)
    categories = read_categories(folder, name, item_ids, levels)
    return _build(folder, path, sequences, users, item_ids, sids, categories)


def read_untokenized(folder: Path, *, users: int | None = None) -> Dataset:
    """Read a dataset without its semantic IDs, which may be missing: the input of a tokenizer.

    The catalogue is every item in the sequences, in `<Name>.item.json` and in `<Name>.index.json`.

    Args:
        folder: as in `read_folder`.
        users: as in `read_folder`.

    Returns:
        A dataset without categories whose `sids` have no columns. Shape: (N, 0)

    Raises:
        DataError: as `read_folder`.
    """
    name = _name(folder)
    path, sequences = read_sequences(folder, name)
    item_ids = _untokenized_items(folder, name, sequences)
    sids = np.zeros((len(item_ids), 0), dtype=np.int64)
    return _build(folder, path, sequences, users, item_ids, sids, None)


def _untokenized_items(folder: Path, name: str, sequences: ItemLists) -> list[str]:
    """The sorted ids of every item in the sequences and in the files of items."""
    items = {str(item) for items_of_user in sequences.values() for item in items_of_user}
    for file in (folder / f"{name}.item.json", folder / f"{name}.index.json"):
        items.update(read_object(file) if file.is_file() else ())
    return sort_ids(items)


def _item_codes(item_ids: list[str]) -> Int:
    """One code for each item of data without semantic IDs: its id where all are whole numbers, else its place."""
    are_numbers = all(INTEGER.fullmatch(id_) and int(id_) >= 0 for id_ in item_ids)
    numbers = [int(id_) for id_ in item_ids] if are_numbers else list(range(len(item_ids)))
    if len(set(numbers)) < len(numbers):  # such as 7 and 07
        numbers = list(range(len(item_ids)))
    return np.array(numbers, dtype=np.int64)[:, None]


def _build(
    folder: Path,
    path: Path,
    sequences: ItemLists,
    limit: int | None,
    item_ids: list[str],
    sids: Int | None,
    categories: Categories | None,
) -> Dataset:
    name = _name(folder)
    users, offsets, items, skipped = index_sequences(sequences, path, item_ids, limit)
    codes = categories.codes if categories else None
    return Dataset(
        name=name,
        users=users,
        offsets=offsets,
        items=items,
        item_ids=item_ids,
        sids=_item_codes(item_ids) if sids is None else sids,
        categories=codes,
        fingerprint=fingerprint(users, offsets, items, item_ids, sids, codes),
        file_counts=(len(sequences), len(item_ids), sum(map(len, sequences.values()))),
        skipped=skipped,
        without_categories=categories.missing if categories else 0,
        category_notes=categories.notes if categories else (),
        has_sids=sids is not None,
        read_times=partial(read_times, folder, name, users, offsets),
        read_texts=partial(read_texts, folder / f"{name}.item.json", item_ids),
        read_external_ids=partial(read_external_ids, folder, name, users, item_ids),
    )


def _name(folder: Path) -> str:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; check the path")
    return os.path.basename(os.path.abspath(folder))


def fingerprint(
    users: Int, offsets: Int, items: Int, item_ids: list[str], sids: Int | None, categories: Int | None
) -> str:
    """SHA-256 (hex) of everything in a dataset that can change a result; shapes as in `Dataset`."""
    digest = hashlib.sha256()
    for array in (users, offsets, items, sids, categories):
        if array is None:
            digest.update(b"none;")
            continue
        digest.update(f"{array.shape};".encode())
        # Fixed width and byte order, so that every machine agrees.
        digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    digest.update(json.dumps(item_ids).encode())
    return digest.hexdigest()
