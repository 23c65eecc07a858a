"""Read interactions into three arrays, and keep those that are asked for, in time order.

Memory: 16 bytes an interaction while reading, a few times that while sorting, and one copy of each different id; other
columns cost nothing. `benchmarks/importing.py` measures it: 1.0 GiB at the most for 10 million interactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...core.code_space import Int
from ...errors import DataError
from ..faults import Faults
from .columns import INTERACTION_ROLES, choose
from .ids import IdTable, ranks
from .open_rows import open_rows
from .timestamps import Timestamps

Duplicates = Literal["drop", "first", "keep"]

MIN_USERS = MIN_ITEMS = 2


@dataclass(frozen=True, eq=False)
class RawInteractions:
    """Interactions in file order; R of them.

    Attributes:
        users, items: numbers of ids. Shape: (R,), int32
        times: in any unit. Shape: (R,)
        user_ids, item_ids: the user's own id of each number.
        rows: rows of the file, those with too low a rating included.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    times: NDArray[np.float64]
    user_ids: list[str]
    item_ids: list[str]
    rows: int


@dataclass(frozen=True, eq=False)
class Interactions:
    """Users' sequences, end to end, by rising user and then time.

    Attributes:
        offsets: where each user's sequence starts. Shape: (U + 1,)
        items: numbers of items, from 0. Shape: (interactions,)
        user_ids, item_ids: the user's own id of each number. Lengths U and N.
        duplicates: how many were left out as duplicates.
        filtered: how many the k-core filter left out.
    """

    offsets: Int
    items: Int
    user_ids: list[str]
    item_ids: list[str]
    duplicates: int
    filtered: int


def read_interactions(
    path: Path, given: Mapping[str, str], min_rating: float | None, *, file_order: bool = False, has_header: bool = True
) -> RawInteractions:
    """Stream a file of interactions.

    Args:
        path: any file that `rows` reads.
        given: role -> column, where the name is not a usual one.
        min_rating: leave out what is rated lower; None does not look at ratings.
        file_order: the rows are in time order; the time is the row's number.
        has_header: see `rows.open_rows`.

    Raises:
        DataError: the file can't be read, or rows are wrong; all kinds of faults are named.
    """
    table, faults = open_rows(path, has_header=has_header), Faults()
    needed = ("user", "item", *(() if file_order else ("timestamp",)), *(() if min_rating is None else ("rating",)))
    names = choose(path, table.header, INTERACTION_ROLES, needed, given).names
    users, items, times = IdTable("user", faults), IdTable("item", faults), Timestamps(faults)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    rows = 0
    for place, columns in table.batches([names[role] for role in needed], faults):
        user, item = users.read(columns[names["user"]], place), items.read(columns[names["item"]], place)
        time = np.arange(rows, rows + len(user), dtype=np.float64)
        if not file_order:
            time = times.read(columns[names["timestamp"]], place)
        rows += len(user)
        if min_rating is not None:
            enough = _ratings(columns[names["rating"]], place, faults) >= min_rating
            user, item, time = user[enough], item[enough], time[enough]
        parts.append((user, item, time))
    times.check_units()
    faults.check(path)
    if not rows:
        raise DataError(f"{path} has no rows below its header; there is nothing to import")
    user, item, time = (np.concatenate(column) for column in zip(*parts, strict=True))
    return RawInteractions(user, item, time, users.ids(), items.ids(), rows)


def _ratings(column: pa.Array, place: object, faults: Faults) -> NDArray[np.float64]:
    try:
        return column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        for row, text in enumerate(column.to_pylist()):
            try:
                float(text or "nan")
            except ValueError:
                faults.add("ratings that are no numbers", f"{place(row)}: '{text[:40]}'")  # type: ignore[operator]
        return np.zeros(len(column))


def arrange(raw: RawInteractions, *, core: int, duplicates: Duplicates, path: Path) -> Interactions:
    """Leave out duplicates, apply the k-core filter, sort by user and time, and number what is left by sorted ids.

    Interactions of one user at one time keep the order of the file.

    Args:
        raw: as read.
        core: k; users and items with fewer interactions are left out, again and again until all have k; 0 for none.
        duplicates: `drop` those equal in user, item and time, keep the `first` of a user and an item, or `keep` all.
        path: the file, for messages.

    Raises:
        DataError: fewer than 2 users or 2 items are left.
    """
    kept = np.ones(len(raw.users), dtype=bool)
    if duplicates != "keep":
        kept = ~_repeats(raw, whole=duplicates == "drop")
    repeated = len(kept) - int(kept.sum())
    before = int(kept.sum())
    core_filter(raw.users, raw.items, kept, core)
    rows = np.flatnonzero(kept)
    n_users, n_items = len(np.unique(raw.users[rows])), len(np.unique(raw.items[rows]))
    if n_users < MIN_USERS or n_items < MIN_ITEMS:
        cause = f", where all have {core} interactions or more; try a smaller --k-core" if core and before else ""
        raise DataError(
            f"{path} leaves too little, of its users {n_users:,} of {len(raw.user_ids):,} and of its items "
            f"{n_items:,} of {len(raw.item_ids):,}: at least {MIN_USERS} are needed{cause or '; give more data'}"
        )
    users, user_ids = _renumber(raw.users[rows], raw.user_ids)
    items, item_ids = _renumber(raw.items[rows], raw.item_ids)
    order = np.lexsort((raw.times[rows], users))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(user_ids)))])
    return Interactions(offsets, items[order], user_ids, item_ids, repeated, before - len(rows))


def _repeats(raw: RawInteractions, *, whole: bool) -> NDArray[np.bool_]:
    """Which interactions repeat an earlier one of the same user and item (and time, where `whole`). Shape: (R,)"""
    order = np.lexsort((raw.times, raw.items, raw.users))
    user, item, time = raw.users[order], raw.items[order], raw.times[order]
    same = (user[1:] == user[:-1]) & (item[1:] == item[:-1])
    if whole:
        same &= time[1:] == time[:-1]
    repeats = np.zeros(len(order), dtype=bool)
    repeats[order[1:][same]] = True
    return repeats


def core_filter(users: np.ndarray, items: np.ndarray, kept: NDArray[np.bool_], core: int) -> None:
    """Clear `kept` for interactions of users and items with fewer than `core`, until none is left. Shapes: (R,)"""
    while True:
        rows = np.flatnonzero(kept)
        weak = np.zeros(len(rows), dtype=bool)
        for ids in (users[rows], items[rows]):
            weak |= np.bincount(ids)[ids] < core if len(ids) else False
        if not weak.any():
            return
        kept[rows[weak]] = False


def _renumber(numbers: np.ndarray, ids: list[str]) -> tuple[Int, list[str]]:
    """Number the ids that occur by their sorted order."""
    present = np.unique(numbers)
    names, places = ranks([ids[number] for number in present.tolist()])
    new = np.full(len(ids), -1, dtype=np.int32)
    new[present] = places
    return new[numbers].astype(np.int32), names
