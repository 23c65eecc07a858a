"""Read interactions into three arrays, filter them, and sort them into users' sequences.

Memory: 16 bytes per interaction while reading, a few times that while sorting, and one copy of each distinct id; other
columns take none. `benchmarks/importing.py` measures it: 1.1 GiB for 10 million interactions. Equal rows, of
which a small compressed file may hold any number, are dropped block by block.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...core.code_space import Int
from ...core.random_bits import GOLDEN_GAMMA, mix64
from ...core.times import Unit
from ...errors import DataError
from ..catalogue_files import sort_ids
from ..issues import Issues
from ..times import Ties, count_ties, tied
from .columns import INTERACTION_ROLES, ColumnNames, match_columns
from .ids import IdEncoder
from .open_table import open_table
from .ratings import parse_ratings
from .table_reader import RowName
from .text_format import TextFormat
from .timestamps import ParsedTimes, TimestampParser

logger = logging.getLogger(__name__)

Duplicates = Literal["drop", "first", "keep"]

MIN_USERS = MIN_ITEMS = 2

_TIE_SEED = b"mindrec-bench: ties"
_SAMPLE_ROWS = 1 << 12
"""Rows by which it is decided whether a block is searched for equal rows."""


@dataclass(frozen=True, eq=False)
class InteractionLog:
    """Interactions in file order; R of them.

    Attributes:
        users: number of each interaction's user. Shape: (R,), int32
        items: number of each interaction's item. Shape: (R,), int32
        times: in `unit`; the number of the row where the file has no times. Shape: (R,), int64
        user_ids: external id of each user number.
        item_ids: external id of each item number.
        rows: rows of the file, including those that were left out.
        unit: see `core.times.Times`.
        has_times: the times are those of the file.
        unrated: rows left out because they have no rating.
        below_min_rating: rows left out because of their rating.
        repeats: rows left out already because they equal one before.
        columns: the columns that were read.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    times: NDArray[np.int64]
    user_ids: list[str]
    item_ids: list[str]
    rows: int
    unit: Unit | None = None
    has_times: bool = True
    unrated: int = 0
    below_min_rating: int = 0
    repeats: int = 0
    columns: ColumnNames = field(default_factory=lambda: ColumnNames({}))


@dataclass(frozen=True, eq=False)
class UserSequences:
    """Users' sequences end to end, by user number and then time.

    Attributes:
        offsets: where each user's sequence starts. Shape: (U + 1,)
        items: item numbers, from 0. Shape: (interactions,)
        times: of each interaction; None where the file has none. Shape: (interactions,)
        unit: of the times.
        user_ids: external id of each user number. Length U.
        item_ids: external id of each item number. Length N.
        outside_period: interactions left out because of their time.
        duplicates: interactions left out as duplicates.
        outside_core: interactions left out by the core filters.
        ties: interactions at one time.
    """

    offsets: Int
    items: Int
    times: Int | None
    unit: Unit | None
    user_ids: list[str]
    item_ids: list[str]
    outside_period: int
    duplicates: int
    outside_core: int
    ties: Ties


@dataclass(frozen=True)
class Filters:
    """Which interactions are kept.

    Attributes:
        user_core: fewest interactions of a user; 0 for any number.
        item_core: fewest interactions of an item.
        duplicates: `drop` those equal in user, item and time, keep the `first` of a user and an item, or `keep` all.
        since: leave out interactions before this time, in the unit of the log.
        until: leave out interactions at this time and later.
        file_order: interactions at one time keep the order of the file, instead of one that no file changes.
    """

    user_core: int = 0
    item_core: int = 0
    duplicates: Duplicates = "drop"
    since: int | None = None
    until: int | None = None
    file_order: bool = False


@dataclass(frozen=True)
class ReadOptions:
    """How a file of interactions is read.

    Attributes:
        min_rating: leave out interactions with a lower rating, or none; None does not look at ratings.
        file_order: the times may be missing: the rows are in time order.
        keep_na: words such as NA are ids.
        drop_equal: rows equal to one before in user, item and time may be dropped at once.
        text: see `open_table`.
    """

    min_rating: float | None = None
    file_order: bool = False
    keep_na: bool = False
    drop_equal: bool = False
    text: TextFormat = field(default_factory=TextFormat)


def read_interactions(path: Path, overrides: Mapping[str, str], options: ReadOptions | None = None) -> InteractionLog:
    """Stream a file of interactions.

    Args:
        path: a file that `open_table` reads.
        overrides: role -> column, as the user says.
        options: how to read it.

    Raises:
        DataError: the file can't be read, or rows are wrong; all kinds of issues are named.
    """
    options = options or ReadOptions()
    table, issues = open_table(path, options.text), Issues()
    roles = ["user", "item", *(["timestamp"] if not options.file_order else [])]
    roles += [] if options.min_rating is None else ["rating"]
    wanted = [role for role in INTERACTION_ROLES if role in roles or role == "timestamp"]
    columns = match_columns(path, table.header, wanted, roles, overrides)
    reader = _LogReader(columns, options, issues)
    names = list(columns.by_role.values())
    ids = [columns.by_role["user"], columns.by_role["item"]]
    for row_name, texts in table.batches(names, issues, ids=ids):
        reader.add({role: texts[name] for role, name in columns.by_role.items()}, row_name)
    return reader.finish(path)


class _LogReader:
    """Collects the batches of a file of interactions."""

    def __init__(self, columns: ColumnNames, options: ReadOptions, issues: Issues) -> None:
        self._columns, self._options, self._issues = columns, options, issues
        self._users = IdEncoder("user", issues, keep_na=options.keep_na)
        self._items = IdEncoder("item", issues, keep_na=options.keep_na)
        # Rows in time order need no times, so that faulty ones are no reason to refuse the file.
        self._time_issues = Issues() if options.file_order else issues
        self._parser = TimestampParser(self._time_issues)
        self._has_times = "timestamp" in columns.by_role
        self._batches: list[tuple[NDArray[np.int32], NDArray[np.int32]]] = []
        self._times: list[ParsedTimes] = []
        self._rows = self._unrated = self._below = self._repeats = 0

    def add(self, columns: Mapping[str, pa.Array], row_name: RowName) -> None:
        """Add consecutive rows, by role."""
        users, items = self._users.encode(columns["user"], row_name), self._items.encode(columns["item"], row_name)
        if self._has_times:
            times = self._parser.parse(columns["timestamp"], row_name)
        else:
            times = ParsedTimes(np.zeros(len(users), dtype=np.int64), 0)
        self._rows += len(users)
        values = times.values
        if self._options.min_rating is not None:
            ratings = parse_ratings(columns["rating"], row_name, self._issues)
            kept = ratings >= self._options.min_rating
            self._unrated += int(np.isnan(ratings).sum())
            self._below += int((ratings < self._options.min_rating).sum())
            users, items, values = users[kept], items[kept], values[kept]
        if self._options.drop_equal and _mostly_equal(users, items, values):
            repeats = _is_repeat(users, items, values, same_time=True)
            self._repeats += int(repeats.sum())
            users, items, values = users[~repeats], items[~repeats], values[~repeats]
        self._batches.append((users, items))
        self._times.append(ParsedTimes(values, times.digits))

    def finish(self, path: Path) -> InteractionLog:
        """All interactions.

        Raises:
            DataError: rows are wrong, or there are none.
        """
        by_role = self._columns.by_role
        self._parser.check()
        for encoder, role in ((self._users, "user"), (self._items, "item")):
            encoder.check(by_role[role], path)
        self._issues.check(path)
        if not self._rows:
            raise DataError(f"{path} has no rows below its header; there is nothing to import")
        times, unit = self._finish_times(path)
        users, items = (np.concatenate(arrays) for arrays in zip(*self._batches, strict=True))
        self._batches.clear()
        return InteractionLog(
            users,
            items,
            times,
            self._users.ids(),
            self._items.ids(),
            rows=self._rows,
            unit=unit,
            has_times=self._has_times,
            unrated=self._unrated,
            below_min_rating=self._below,
            repeats=self._repeats,
            columns=self._columns,
        )

    def _finish_times(self, path: Path) -> tuple[NDArray[np.int64], Unit | None]:
        """All times in one unit; the numbers of the rows where the file has no times that can be read."""
        n_rows = sum(len(batch.values) for batch in self._times)
        try:
            self._time_issues.check(path)
            if self._has_times:
                return self._parser.combine(self._times, f"{self._columns.by_role['timestamp']} of {path}")
        except DataError as error:
            if not self._options.file_order:
                raise
            self._has_times = False
            logger.warning(f"the times are not kept, the rows count as in time order: {error}")
        return np.arange(n_rows, dtype=np.int64), None


def _mostly_equal(users: NDArray[np.int32], items: NDArray[np.int32], times: NDArray[np.int64]) -> bool:
    """Whether most of the first rows equal one before."""
    sample = slice(_SAMPLE_ROWS)
    repeats = _is_repeat(users[sample], items[sample], times[sample], same_time=True)
    return bool(len(repeats) and repeats.mean() > 0.5)


def build_sequences(log: InteractionLog, filters: Filters, path: Path) -> UserSequences:
    """Leave out interactions, sort the others by user and time, and number users and items by sorted id.

    Interactions of one user at one time are sorted by a hash of the ids of user and item, so that the order of rows in
    the file does not matter, unless `filters.file_order` keeps it.

    Args:
        log: the interactions.
        filters: which of them are kept.
        path: the file, for messages.

    Raises:
        DataError: fewer than 2 users or 2 items are left.
    """
    kept = np.ones(len(log.users), dtype=bool)
    if filters.since is not None:
        kept &= log.times >= filters.since
    if filters.until is not None:
        kept &= log.times < filters.until
    n_in_period = int(kept.sum())
    if filters.duplicates != "keep":
        rows = np.flatnonzero(kept)
        same_time = filters.duplicates == "drop"
        kept[rows[_is_repeat(log.users[rows], log.items[rows], log.times[rows], same_time=same_time)]] = False
    n_unique = int(kept.sum())
    core_filter(log.users, log.items, kept, user_core=filters.user_core, item_core=filters.item_core)
    rows = np.flatnonzero(kept)
    del kept
    _check_enough(log, rows, filters, n_in_period, path)
    users, user_ids = _renumber(log.users[rows], log.user_ids)
    items, item_ids = _renumber(log.items[rows], log.item_ids)
    times = log.times[rows]
    order = np.lexsort((times, users))
    users, items, times = users[order], items[order], times[order]
    if log.has_times and not filters.file_order:
        _sort_ties(users, items, times, user_ids, item_ids)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(user_ids)))])
    return UserSequences(
        offsets=offsets,
        items=items,
        times=times if log.has_times else None,
        unit=log.unit,
        user_ids=user_ids,
        item_ids=item_ids,
        outside_period=len(log.users) - n_in_period,
        duplicates=log.repeats + n_in_period - n_unique,
        outside_core=n_unique - len(rows),
        ties=count_ties(users, times) if log.has_times else Ties(0, 0),
    )


def _check_enough(log: InteractionLog, rows: Int, filters: Filters, n_in_period: int, path: Path) -> None:
    n_users, n_items = (np.count_nonzero(np.bincount(ids[rows])) for ids in (log.users, log.items))
    if n_users >= MIN_USERS and n_items >= MIN_ITEMS:
        return
    cause = "; give more data"
    if n_in_period < len(log.users):
        cause = f", of the {n_in_period:,} of {len(log.users):,} interactions between --since and --until"
    if n_in_period and (filters.user_core or filters.item_core):
        each = f"users have {filters.user_core} interactions or more and items {filters.item_core}"
        if filters.user_core == filters.item_core:
            each = f"all have {filters.user_core} interactions or more"
        cause = f", where {each}; try a smaller --k-core"
    raise DataError(
        f"{path} leaves too little, of its users {n_users:,} of {len(log.user_ids):,} and of its items "
        f"{n_items:,} of {len(log.item_ids):,}: at least {MIN_USERS} are needed{cause}"
    )


def _is_repeat(
    users: NDArray[np.int32], items: NDArray[np.int32], times: NDArray[np.int64], *, same_time: bool
) -> NDArray[np.bool_]:
    """Which interactions repeat an earlier one of the same user and item (and time, if `same_time`). Shapes: (n,)"""
    order = np.lexsort((times, items, users))
    users, items, times = users[order], items[order], times[order]
    same = (users[1:] == users[:-1]) & (items[1:] == items[:-1])
    if same_time:
        same &= times[1:] == times[:-1]
    repeats = np.zeros(len(order), dtype=bool)
    repeats[order[1:][same]] = True
    return repeats


def _sort_ties(
    users: Int,
    items: Int,
    times: Int,
    user_ids: list[str],
    item_ids: list[str],
) -> None:
    """Sort the items of each user at one time by a hash of the two ids, in place.

    Args:
        users: sorted. Shape: (n,)
        items: Shape: (n,)
        times: sorted within a user. Shape: (n,)
        user_ids: the id of each user number.
        item_ids: the id of each item number.
    """
    rows = np.flatnonzero(tied(users, times))
    if not len(rows):
        return
    user, item, time = users[rows], items[rows], times[rows]
    first = np.concatenate([[True], (user[1:] != user[:-1]) | (time[1:] != time[:-1])])
    keys = mix64(_hashes(user, user_ids) * GOLDEN_GAMMA ^ _hashes(item, item_ids)).view(np.uint64)
    items[rows] = item[np.lexsort((item, keys, np.cumsum(first)))]


def _hashes(numbers: Int, ids: list[str]) -> Int:
    """A hash of the id of each number. Shape: (n,)"""
    present, index = np.unique(numbers, return_inverse=True)
    digests = b"".join(blake2b(ids[n].encode(), digest_size=8, key=_TIE_SEED).digest() for n in present.tolist())
    hashes: Int = np.frombuffer(digests, dtype="<i8")[index]
    return hashes


def core_filter(
    users: np.ndarray, items: np.ndarray, kept: NDArray[np.bool_], *, user_core: int, item_core: int
) -> None:
    """Clear `kept` for interactions of users and items that have too few, until none is left. Shapes: (R,)"""
    while True:
        rows = np.flatnonzero(kept)
        below = np.zeros(len(rows), dtype=bool)
        for ids, core in ((users[rows], user_core), (items[rows], item_core)):
            if core > 1 and len(ids):
                below |= np.bincount(ids)[ids] < core
        if not below.any():
            return
        kept[rows[below]] = False


def _renumber(numbers: np.ndarray, ids: list[str]) -> tuple[Int, list[str]]:
    """Number the ids that occur by their sorted order, so that their order in the file does not matter."""
    present = np.flatnonzero(np.bincount(numbers))
    sorted_ids = sort_ids([ids[number] for number in present.tolist()])
    position = {id_: index for index, id_ in enumerate(sorted_ids)}
    new_numbers = np.full(len(ids), -1, dtype=np.int32)
    new_numbers[present] = [position[ids[number]] for number in present.tolist()]
    return new_numbers[numbers], sorted_ids
