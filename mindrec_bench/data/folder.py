"""Read a dataset folder `<root>/<Name>/` in the layout of the public LETTER, LC-Rec and MindRec releases.

Semantics, section 1, gives the formats.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ..core.code_space import Int
from ..core.dataset import Dataset
from ..errors import DataError
from ..io.json_files import read_object
from .catalogue_files import in_order, read_categories, read_semantic_ids
from .external_ids import read_external_ids
from .item_texts import read_texts
from .sequences import Sequences, arrange, read_sequences


def read_folder(folder: Path, *, users: int | None = None, levels: int | None = None) -> Dataset:
    """Read the dataset in a folder, whose files carry the folder's name.

    Args:
        folder: holds `<Name>.inter.json` or `user_sequence.txt`, `<Name>.index.json`, and optionally `<Name>.item.json`
            or `<Name>.category.json`.
        users: keep the first so many users by integer id (then those with fewer than 3 interactions are skipped and
            counted); None keeps all.
        levels: L, the category levels; None: all that `<Name>.category.json` has, or 3 from category strings.

    Raises:
        DataError: a file is missing or broken; the message names the file and the place in it.
    """
    name = _name(folder)
    index = folder / f"{name}.index.json"
    sequences = read_sequences(folder, name)
    if not index.is_file():
        raise DataError(
            f"{folder} has no {index.name}, the semantic IDs of its items; "
            f"make them with `mrbench data tokenize {name}`, or put the file there"
        )
    item_ids, sids = read_semantic_ids(index)
    found = read_categories(folder, name, item_ids, levels)
    plain = _dataset(folder, sequences, users, item_ids, sids, found.codes if found else None)
    if found is None:
        return plain
    return replace(plain, without_categories=found.without, category_notes=found.notes)


def read_uncoded(folder: Path, *, users: int | None = None) -> Dataset:
    """Read a dataset without its semantic IDs, which may be missing: what a tokenizer starts from.

    The catalogue is every item that the sequences, `<Name>.item.json` or a `<Name>.index.json` name.

    Args:
        folder: as `read_folder`.
        users: likewise.

    Returns:
        A dataset without categories whose `sids` have no column. Shape: (N, 0)

    Raises:
        DataError: as `read_folder`.
    """
    name = _name(folder)
    path, sequences = read_sequences(folder, name)
    found = {str(item) for row in sequences.values() for item in row}
    for file in (folder / f"{name}.item.json", folder / f"{name}.index.json"):
        found.update(read_object(file) if file.is_file() else ())
    item_ids = in_order(found)
    sids = np.zeros((len(item_ids), 0), dtype=np.int64)
    return _dataset(folder, (path, sequences), users, item_ids, sids, None)


def _dataset(
    folder: Path,
    read: tuple[Path, Sequences],
    users: int | None,
    item_ids: list[str],
    sids: Int,
    categories: Int | None,
) -> Dataset:
    """The sequences that were read, and the path they came from, over a catalogue in codes."""
    path, sequences = read
    name = _name(folder)
    kept, offsets, items, skipped = arrange(sequences, path, item_ids, users)
    return Dataset(
        name=name,
        users=kept,
        offsets=offsets,
        items=items,
        item_ids=item_ids,
        sids=sids,
        categories=categories,
        fingerprint=fingerprint(kept, offsets, items, item_ids, sids, categories),
        skipped=skipped,
        read_texts=partial(read_texts, folder / f"{name}.item.json", item_ids),
        read_external_ids=partial(read_external_ids, folder, name, kept, item_ids),
    )


def _name(folder: Path) -> str:
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; check the path")
    return os.path.basename(os.path.abspath(folder))


def fingerprint(users: Int, offsets: Int, items: Int, item_ids: list[str], sids: Int, categories: Int | None) -> str:
    """SHA-256 (hex) over everything in a dataset that can change a result; shapes as in `Dataset`."""
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
