"""Read rankings made elsewhere and check them: everything that is wrong with a file is said at once.

A row a recommendation, in Parquet or CSV: `user`, `rank` (from 1), and `item` (an item id of the data set) or `codes`
(a SID; see `_code_lists`), or both; `score` may follow, the higher the better.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from .codes import CodeSpace, Int
from .data.dataset import Dataset
from .errors import DataError

_CODE = re.compile(r"<[A-Za-z]+[_:]([0-9]{1,18})>|([0-9]{1,18})")
_SHOWN = 3
"""Examples of each problem that a message gives."""


@dataclass(frozen=True, eq=False)
class RankingFile:
    """Checked rankings, by user and rank; R rows.

    Attributes:
        rows: the index of each row's user among the users asked for. Shape: (R,)
        ranks: from 1, without gaps. Shape: (R,)
        sids: SID code numbers. Shape: (R, M)
        scores: as in the file; nan where it has none. Shape: (R,)
        items: item ids, or None where the file has none. Shape: (R,)
        missing: how many users have no rows.
    """

    rows: Int
    ranks: Int
    sids: Int
    scores: NDArray[np.float64]
    items: NDArray[Any] | None
    missing: int


@dataclass
class _Problems:
    """What is wrong with a file, in the order found."""

    found: list[str] = field(default_factory=list)

    def add(self, wrong: NDArray[np.bool_], what: str, examples: Sequence[Any] | NDArray[Any]) -> None:
        """Say `what` with its count and its first examples, where anything is wrong; `{}` stands for the count.

        Args:
            wrong: which entries are wrong. Shape: (n,)
            what: the sentence.
            examples: an entry's text or number. Shape: (n,)
        """
        at = np.flatnonzero(wrong)
        if len(at):
            shown = list(dict.fromkeys(str(examples[i]) for i in at[:100].tolist()))[:_SHOWN]
            self.found.append(f"{what.replace('{}', f'{len(at):,}')} (first: {', '.join(shown)})")


def read_rankings(
    path: Path, users: Int, dataset: Dataset, space: CodeSpace, *, beam: int | None, allow_missing: bool
) -> RankingFile:
    """Read and check a file of rankings.

    Args:
        path: a `.parquet` or `.csv` file.
        users: ids of the users that must be ranked for, rising. Shape: (U,)
        dataset: the items.
        space: the slots.
        beam: the longest list allowed; None for any.
        allow_missing: users may have no rows.

    Raises:
        DataError: the file can't be read, or does not hold such rankings; all its problems are named.
    """
    table, problems = _read(path), _Problems()
    user, rank = (_whole_numbers(table, name, problems) for name in ("user", "rank"))
    scores = _scores(table, problems)
    items, sids = _items_and_sids(table, dataset, space, problems)
    missing = _check_users(user, users, allow_missing, problems) if user is not None else 0
    if user is not None and rank is not None:
        _check_order(user, rank, scores, beam, problems)
    if problems.found or user is None or rank is None or sids is None:
        raise DataError(f"{path} can't be scored: {'; '.join(problems.found)}; correct the file")
    order = np.lexsort((rank, user))
    score = np.full(len(table), np.nan) if scores is None else scores
    kept = None if items is None else items[order]
    return RankingFile(np.searchsorted(users, user)[order], rank[order], sids[order], score[order], kept, missing)


def _read(path: Path) -> pa.Table:
    from pyarrow import csv
    from pyarrow import parquet as pq

    if path.suffix not in (".parquet", ".csv"):
        raise DataError(f"{path} is neither .parquet nor .csv; write the rankings as one of them")
    try:
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
        else:
            texts = csv.ConvertOptions(column_types={"item": pa.string(), "codes": pa.string()})
            table = csv.read_csv(path, convert_options=texts)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} can't be read as {path.suffix[1:]}: {error}; check the path and the file") from error
    names = table.column_names
    lacking = [name for name in ("user", "rank") if name not in names]
    lacking += [] if {"item", "codes"} & set(names) else ["item or codes"]
    if lacking or not len(table):
        what = f"has no column {' and no column '.join(lacking)}" if lacking else "has no rows"
        raise DataError(f"{path} {what}; it needs user, rank, and item or codes, a row a recommendation")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DataError(f"{path} has several columns called {', '.join(doubled)}; keep one of each")
    return table


def _whole_numbers(table: pa.Table, name: str, problems: _Problems) -> Int | None:
    """A column of whole numbers, also where they are written as text; None, with a problem, for another column."""
    column = table[name].combine_chunks()
    empty = column.is_null().to_numpy(zero_copy_only=False)
    problems.add(empty, f"{{}} rows without {name}", np.arange(1, len(empty) + 1))
    try:
        numbers = column.cast(pa.int64())
    except pa.ArrowException:
        problems.found.append(f"the column {name} must hold whole numbers, not {column.type}")
        return None
    return None if empty.any() else numbers.to_numpy()


def _scores(table: pa.Table, problems: _Problems) -> NDArray[np.float64] | None:
    if "score" not in table.column_names:
        return None
    column = table["score"].combine_chunks()
    try:
        scores = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        problems.found.append(f"the column score must hold numbers, not {column.type}")
        return None
    wrong = np.isnan(scores)
    problems.add(wrong, "{} scores that are no numbers, in rows", np.arange(1, len(scores) + 1))
    return None if wrong.any() else scores


def _items_and_sids(
    table: pa.Table, dataset: Dataset, space: CodeSpace, problems: _Problems
) -> tuple[NDArray[Any] | None, Int | None]:
    """Item ids where there are any (shape: (R,)), and the SIDs, of the codes or else of the items (shape: (R, M))."""
    items, item_sids = _items(table, dataset, problems)
    if "codes" not in table.column_names:
        return items, item_sids
    sids = _code_lists(table, space, problems)
    if sids is None:
        return items, None
    unknown = space.from_numbers(sids, space.sid_slots) < 0
    if unknown.any():
        names = [f"{number} in slot {slot + 1}" for row in sids.tolist() for slot, number in enumerate(row)]
        problems.add(unknown.ravel(), "{} codes that no item has there", names)
    if items is not None and item_sids is not None:
        other = (item_sids >= 0).all(axis=1) & (sids != item_sids).any(axis=1)
        problems.add(other, "{} rows whose item has other codes", items)
    return items, sids


def _items(table: pa.Table, dataset: Dataset, problems: _Problems) -> tuple[NDArray[Any] | None, Int | None]:
    """Item ids (shape: (R,)) and their SID code numbers, -1 where there is no such item (shape: (R, M))."""
    if "item" not in table.column_names:
        return None, None
    column = table["item"].combine_chunks()
    try:
        column = column.cast(pa.string())
    except pa.ArrowException:
        problems.found.append(f"the column item must hold item ids, not {column.type}")
        return None, None
    empty = column.is_null().to_numpy(zero_copy_only=False)
    if empty.all() and "codes" in table.column_names:
        return None, None  # as in stored rankings of a decoder that ranks codes
    index = pc.index_in(column, pa.array(dataset.item_ids)).fill_null(-1).to_numpy()
    problems.add((index < 0) & ~empty, "{} rows with unknown items", column)
    if "codes" not in table.column_names:
        problems.add(empty, "{} rows without item", np.arange(1, len(empty) + 1))
    return column.to_numpy(zero_copy_only=False), np.where(index[:, None] < 0, -1, dataset.sids[index])


def _code_lists(table: pa.Table, space: CodeSpace, problems: _Problems) -> Int | None:
    """SID code numbers, from lists of numbers or of codes like <a_11>, or from texts of these with spaces between.

    A list may begin with the category codes, which are left out.

    Returns:
        Shape: (R, M); None, with a problem, for lists of other lengths or entries.
    """
    column = table["codes"].combine_chunks()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(column))
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        problems.found.append(f"the column codes must hold lists of codes, not {column.type}")
        return None
    sid = len(space.sid_slots)
    allowed = sorted({sid, space.n_slots})
    lengths = pc.list_value_length(column).fill_null(0).to_numpy()
    wrong = ~np.isin(lengths, allowed)
    right = " or ".join(map(str, allowed))
    problems.add(wrong, f"{{}} rows that do not have {right} codes, of lengths", lengths)
    flat = column.flatten()
    kinds = flat.dictionary_encode()
    texts = kinds.dictionary.to_pylist()
    numbers = [_number(text) for text in texts]
    bad = [str(text) for text, number in zip(texts, numbers, strict=True) if number is None]
    if bad or flat.null_count:
        shown = ", ".join([*bad, *(["an empty one"] if flat.null_count else [])][:_SHOWN])
        problems.found.append(f"codes that are neither numbers nor like <a_11> (first: {shown})")
    if wrong.any() or bad or flat.null_count:
        return None
    values = np.array(numbers, dtype=np.int64)[kinds.indices.to_numpy()]
    last = (np.cumsum(lengths) - 1)[:, None] - np.arange(sid)[::-1]
    return values[last]


def _number(code: Any) -> int | None:
    match = _CODE.fullmatch(str(code))
    return int(match[1] or match[2]) if match else None


def _named(sids: Int) -> list[str]:
    return [f"{number} in slot {slot + 1}" for row in sids.tolist() for slot, number in enumerate(row)]


def _check_users(user: Int, users: Int, allow_missing: bool, problems: _Problems) -> int:
    """Refuse users that are not asked for, and users left out; returns how many are left out."""
    problems.add(~np.isin(user, users), "{} rows of users that are not evaluated", user)
    absent = ~np.isin(users, user)
    if not allow_missing:
        hint = f"{{}} of {len(users):,} users without rows, whom --allow-missing would count as misses"
        problems.add(absent, hint, users)
    return int(absent.sum())


def _check_order(
    user: Int, rank: Int, scores: NDArray[np.float64] | None, beam: int | None, problems: _Problems
) -> None:
    """Ranks 1, 2, 3, ... for each user, and scores that never rise."""
    order = np.lexsort((rank, user))
    user, rank = user[order], rank[order]
    same = np.concatenate([[False], user[1:] == user[:-1]])
    before = np.where(same, np.concatenate([[0], rank[:-1]]), 0)
    problems.add(rank < 1, "{} ranks below 1", rank)
    problems.add(same & (rank == before), "{} ranks that stand twice, of users", user)
    problems.add((rank > before + 1) & (before >= 0), "{} gaps in the ranks from 1 on, of users", user)
    if beam is not None:
        problems.add(rank > beam, f"{{}} rows beyond rank {beam}, the beam, of users", user)
    if scores is not None:
        score = scores[order]
        rises = np.concatenate([[False], score[1:] > score[:-1]]) & same
        problems.add(rises, "{} scores that rise with the rank, of users", user)
