"""Read rankings made elsewhere and check them: everything that is wrong with a file is said at once.

A row a recommendation, in Parquet or CSV: `user`, `rank` (from 1), and `item` (an item id of the data set) or `codes`
(a SID; see `ranking_columns`), or both; `score` may follow, the higher the better. Users and items of imported data are
named by their own ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..core.code_space import CodeSpace, Int
from ..core.dataset import Dataset
from ..errors import DataError
from .ranking_columns import Problems, read_scores, read_sids, read_users, read_whole, user_names


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
    table, problems = _read(path, dataset), Problems()
    user, rank = read_users(table, dataset, problems), read_whole(table, "rank", problems)
    scores = read_scores(table, problems)
    items, sids = read_sids(table, dataset, space, problems)
    missing = _check_users(user, users, dataset, allow_missing, problems) if user is not None else 0
    if user is not None and rank is not None:
        _check_order(user, rank, scores, beam, dataset, problems)
    if problems.found or user is None or rank is None or sids is None:
        raise DataError(f"{path} can't be scored: {'; '.join(problems.found)}; correct the file")
    order = np.lexsort((rank, user))
    score = np.full(len(table), np.nan) if scores is None else scores
    kept = None if items is None else items[order]
    return RankingFile(np.searchsorted(users, user)[order], rank[order], sids[order], score[order], kept, missing)


def _read(path: Path, dataset: Dataset) -> pa.Table:
    from pyarrow import csv
    from pyarrow import parquet as pq

    if path.suffix not in (".parquet", ".csv"):
        raise DataError(f"{path} is neither .parquet nor .csv; write the rankings as one of them")
    try:
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
        else:
            texts = ("item", "codes", *(("user",) if dataset.external_ids else ()))  # own ids may begin with zeros
            table = csv.read_csv(
                path, convert_options=csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string()))
            )
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} can't be read as {path.suffix[1:]} ({reason}); check the file") from error
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


def _check_users(user: Int, users: Int, dataset: Dataset, allow_missing: bool, problems: Problems) -> int:
    """Refuse users that are not asked for, and users left out; returns how many are left out."""
    problems.add(~np.isin(user, users), "{} rows of users that are not evaluated", user_names(user, dataset))
    absent = ~np.isin(users, user)
    if not allow_missing:
        hint = f"{{}} of {len(users):,} users without rows, whom --allow-missing would count as misses"
        problems.add(absent, hint, user_names(users, dataset))
    return int(absent.sum())


def _check_order(
    user: Int, rank: Int, scores: NDArray[np.float64] | None, beam: int | None, dataset: Dataset, problems: Problems
) -> None:
    """Ranks 1, 2, 3, ... for each user, and scores that never rise."""
    order = np.lexsort((rank, user))
    user, rank = user[order], rank[order]
    same = np.concatenate([[False], user[1:] == user[:-1]])
    names = user_names(user, dataset)
    before = np.where(same, np.concatenate([[0], rank[:-1]]), 0)
    problems.add(rank < 1, "{} ranks below 1", rank)
    problems.add(same & (rank == before), "{} ranks that stand twice, of users", names)
    problems.add((rank > before + 1) & (before >= 0), "{} gaps in the ranks from 1 on, of users", names)
    if beam is not None:
        problems.add(rank > beam, f"{{}} rows beyond rank {beam}, the beam, of users", names)
    if scores is not None:
        score = scores[order]
        rises = np.concatenate([[False], score[1:] > score[:-1]]) & same
        problems.add(rises, "{} scores that rise with the rank, of users", names)
