"""Read interactions into three arrays, filter them, and sort them into users' sequences.

Memory: 16 bytes per interaction while reading, a few times that while sorting, and one copy of each distinct id; other
columns take none. `benchmarks/importing.py` measures it: at most 1.0 GiB for 10 million interactions.
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
from ..catalogue_files import sort_ids
from ..issues import Issues
from .columns import INTERACTION_ROLES, match_columns
from .ids import IdEncoder
from .open_table import open_table
from .table_reader import RowName
from .timestamps import TimestampParser

Duplicates = Literal["drop", "first", "keep"]

MIN_USERS = MIN_ITEMS = 2


@dataclass(frozen=True, eq=False)
class InteractionLog:
    """Interactions in file order; R of them.

    Attributes:
        users: number of each interaction's user. Shape: (R,), int32
        items: number of each interaction's item. Shape: (R,), int32
        times: in any unit. Shape: (R,), float64
        user_ids: external id of each user number.
        item_ids: external id of each item number.
        rows: rows of the file, including those below the minimum rating.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    times: NDArray[np.float64]
    user_ids: list[str]
    item_ids: list[str]
    rows: int


@dataclass(frozen=True, eq=False)
class UserSequences:
    """Users' sequences end to end, by user number and then time.

    Attributes:
        offsets: where each user's sequence starts. Shape: (U + 1,)
        items: item numbers, from 0. Shape: (interactions,)
        user_ids: external id of each user number. Length U.
        item_ids: external id of each item number. Length N.
        duplicates: interactions left out as duplicates.
        outside_core: interactions left out by the k-core filter.
    """

    offsets: Int
    items: Int
    user_ids: list[str]
    item_ids: list[str]
    duplicates: int
    outside_core: int


def read_interactions(
    path: Path,
    overrides: Mapping[str, str],
    min_rating: float | None,
    *,
    file_order: bool = False,
    has_header: bool = True,
) -> InteractionLog:
    """Stream a file of interactions.

    Args:
        path: a file that `open_table` reads.
        overrides: role -> column, as the user says.
        min_rating: leave out interactions with a lower rating; None does not look at ratings.
        file_order: the rows are in time order; the time is the row's number.
        has_header: see `open_table`.

    Raises:
        DataError: the file can't be read, or rows are wrong; all kinds of issues are named.
    """
    table, issues = open_table(path, has_header=has_header), Issues()
    roles = ["user", "item", *([] if file_order else ["timestamp"]), *([] if min_rating is None else ["rating"])]
    names = match_columns(path, table.header, INTERACTION_ROLES, roles, overrides).by_role
    user_encoder, item_encoder = IdEncoder("user", issues), IdEncoder("item", issues)
    timestamp_parser = TimestampParser(issues)
    batches: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    rows = 0
    for row_name, columns in table.batches([names[role] for role in roles], issues):
        users = user_encoder.encode(columns[names["user"]], row_name)
        items = item_encoder.encode(columns[names["item"]], row_name)
        if file_order:
            times = np.arange(rows, rows + len(users), dtype=np.float64)
        else:
            times = timestamp_parser.parse(columns[names["timestamp"]], row_name)
        rows += len(users)
        if min_rating is not None:
            kept = _parse_ratings(columns[names["rating"]], row_name, issues) >= min_rating
            users, items, times = users[kept], items[kept], times[kept]
        batches.append((users, items, times))
    timestamp_parser.check_units()
    issues.check(path)
    if not rows:
        raise DataError(f"{path} has no rows below its header; there is nothing to import")
    users, items, times = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return InteractionLog(users, items, times, user_encoder.ids(), item_encoder.ids(), rows)


def _parse_ratings(column: pa.Array, row_name: RowName, issues: Issues) -> NDArray[np.float64]:
    try:
        return column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        for row, text in enumerate(column.to_pylist()):
            try:
                float(text or "nan")
            except ValueError:
                issues.add("ratings that are not numbers", f"{row_name(row)}: '{text[:40]}'")
        return np.zeros(len(column))


def build_sequences(log: InteractionLog, *, core: int, duplicates: Duplicates, path: Path) -> UserSequences:
    """Leave out duplicates, apply the k-core filter, sort by user and time, and number users and items by sorted id.

    Interactions of one user at one time keep the order of the file.

    Args:
        log: the interactions.
        core: k; users and items with fewer interactions are left out repeatedly until all have k; 0 for no filter.
        duplicates: `drop` those equal in user, item and time, keep the `first` of a user and an item, or `keep` all.
        path: the file, for messages.

    Raises:
        DataError: fewer than 2 users or 2 items are left.
    """
    kept = np.ones(len(log.users), dtype=bool)
    if duplicates != "keep":
        kept = ~_is_repeat(log, same_time=duplicates == "drop")
    n_unique = int(kept.sum())
    k_core_filter(log.users, log.items, kept, core)
    rows = np.flatnonzero(kept)
    n_users, n_items = len(np.unique(log.users[rows])), len(np.unique(log.items[rows]))
    if n_users < MIN_USERS or n_items < MIN_ITEMS:
        cause = f", where all have {core} interactions or more; try a smaller --k-core" if core and n_unique else ""
        raise DataError(
            f"{path} leaves too little, of its users {n_users:,} of {len(log.user_ids):,} and of its items "
            f"{n_items:,} of {len(log.item_ids):,}: at least {MIN_USERS} are needed{cause or '; give more data'}"
        )
    users, user_ids = _renumber(log.users[rows], log.user_ids)
    items, item_ids = _renumber(log.items[rows], log.item_ids)
    order = np.lexsort((log.times[rows], users))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(user_ids)))])
    return UserSequences(offsets, items[order], user_ids, item_ids, len(kept) - n_unique, n_unique - len(rows))


def _is_repeat(log: InteractionLog, *, same_time: bool) -> NDArray[np.bool_]:
    """Which interactions repeat an earlier one of the same user and item (and time, if `same_time`). Shape: (R,)"""
    order = np.lexsort((log.times, log.items, log.users))
    users, items, times = log.users[order], log.items[order], log.times[order]
    same = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    if same_time:
        same &= times[1:] == times[:-1]
    repeats = np.zeros(len(order), dtype=bool)
    repeats[order[1:][same]] = True
    return repeats


def k_core_filter(users: np.ndarray, items: np.ndarray, kept: NDArray[np.bool_], core: int) -> None:
    """Clear `kept` for interactions of users and items with fewer than `core`, until none is left. Shapes: (R,)"""
    while True:
        rows = np.flatnonzero(kept)
        below = np.zeros(len(rows), dtype=bool)
        for ids in (users[rows], items[rows]):
            below |= np.bincount(ids)[ids] < core if len(ids) else False
        if not below.any():
            return
        kept[rows[below]] = False


def _renumber(numbers: np.ndarray, ids: list[str]) -> tuple[Int, list[str]]:
    """Number the ids that occur by their sorted order, so that their order in the file does not matter."""
    present = np.unique(numbers)
    sorted_ids = sort_ids([ids[number] for number in present.tolist()])
    position = {id_: index for index, id_ in enumerate(sorted_ids)}
    new_numbers = np.full(len(ids), -1, dtype=np.int32)
    new_numbers[present] = [position[ids[number]] for number in present.tolist()]
    return new_numbers[numbers], sorted_ids
