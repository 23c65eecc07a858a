"""Read rankings made elsewhere and check them; all issues of a file are reported at once.

The file is Parquet or CSV with one row per recommendation. Columns: `user`, `rank` (from 1), and `item` (an item id of
the dataset) or `codes` (a SID; see `ranking_columns`), or both; `score` is optional, higher is better. Users and items
of imported data are given by the ids of the imported files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ..core.code_space import CodeSpace, Int
from ..core.dataset import Dataset
from ..data.importing.open_table import open_table
from ..data.importing.text_format import TextFormat
from ..data.issues import Issues
from ..errors import DataError
from ..io.parquet_files import open_parquet
from ..metrics.names import SCORE_ROUNDING
from .ranking_columns import read_integers, read_scores, read_sids, read_users, user_names


@dataclass(frozen=True, eq=False)
class RankingFile:
    """Checked rankings, sorted by user and rank; R rows.

    Attributes:
        user_indices: the index of each row's user among the evaluated users. Shape: (R,)
        ranks: from 1, without gaps. Shape: (R,)
        sids: SID code numbers. Shape: (R, M)
        scores: as in the file; NaN where it has none. Shape: (R,)
        items: item ids, or None where the file has none. Shape: (R,)
        missing: how many users have no rows.
    """

    user_indices: Int
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
        users: ids of the evaluated users, in rising order. Shape: (U,)
        dataset: their data.
        space: the slots of the data.
        beam: the longest list allowed; None for any length.
        allow_missing: allow users without rows.

    Raises:
        DataError: the file can't be read or has issues, all of which are named.
    """
    table, issues = _read(path), Issues()
    user, rank = read_users(table, dataset, issues), read_integers(table, "rank", issues)
    scores = read_scores(table, issues)
    items, sids = read_sids(table, dataset, space, issues)
    missing = _check_users(user, users, dataset, allow_missing, issues) if user is not None else 0
    if user is not None and rank is not None:
        _check_order(user, rank, scores, beam, dataset, issues)
    issues.check(path, purpose="scored")
    assert user is not None  # a column is None only where it has issues
    assert rank is not None
    assert sids is not None
    order = np.lexsort((rank, user))
    score = np.full(len(table), np.nan) if scores is None else scores
    return RankingFile(
        user_indices=np.searchsorted(users, user)[order],
        ranks=rank[order],
        sids=sids[order],
        scores=score[order],
        items=None if items is None else items[order],
        missing=missing,
    )


def _read(path: Path) -> pa.Table:
    if path.suffix not in (".parquet", ".csv"):
        raise DataError(f"{path} is neither .parquet nor .csv; write the rankings as one of them")
    try:
        table = open_parquet(path).read() if path.suffix == ".parquet" else _read_text(path)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path} can't be read as {path.suffix[1:]} ({reason}); check the file") from error
    names = table.column_names
    missing = [name for name in ("user", "rank") if name not in names]
    missing += [] if {"item", "codes"} & set(names) else ["item or codes"]
    if missing or not len(table):
        fault = f"has no column {' and no column '.join(missing)}" if missing else "has no rows"
        raise DataError(f"{path} {fault}; it needs user, rank, and item or codes, one row per recommendation")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path} has several columns called {', '.join(repeated)}; keep one of each")
    return table


def _read_text(path: Path) -> pa.Table:
    """Delimited text as columns of text, read as `mrbench data import` reads it; null where a cell is empty.

    Raises:
        DataError: the file can't be read, or rows of it.
    """
    table, issues = open_table(path, TextFormat(flags="")), Issues()
    names = [name for name in ("user", "rank", "item", "codes", "score") if name in table.header]
    schema = pa.schema([(name, pa.string()) for name in names])
    batches = [pa.table(batch.columns, schema=schema) for batch in table.batches(names, issues)]
    issues.check(path, purpose="scored")
    columns = pa.concat_tables([schema.empty_table(), *batches])
    empty = pa.scalar(None, pa.string())
    return pa.table({name: pc.if_else(pc.equal(columns[name], ""), empty, columns[name]) for name in names})


def _check_users(user: Int, users: Int, dataset: Dataset, allow_missing: bool, issues: Issues) -> int:
    """Check that the file ranks for the evaluated users; returns how many of them have no rows."""
    names = user_names(user, dataset)
    issues.add_where(~np.isin(user, users), "rows of users that are not evaluated", names, prefix="user ")
    absent = ~np.isin(users, user)
    if not allow_missing:
        kind = f"users without rows out of {len(users):,}, whom --allow-missing would count as misses"
        issues.add_where(absent, kind, user_names(users, dataset), prefix="user ")
    return int(absent.sum())


def _check_order(
    user: Int, rank: Int, scores: NDArray[np.float64] | None, beam: int | None, dataset: Dataset, issues: Issues
) -> None:
    """Check that each user has the ranks 1, 2, 3, ..., and that scores never rise with the rank, rounding aside."""
    order = np.lexsort((rank, user))
    user, rank = user[order], rank[order]
    same_user = np.concatenate([[False], user[1:] == user[:-1]])
    names = user_names(user, dataset)
    previous = np.where(same_user, np.concatenate([[0], rank[:-1]]), 0)
    issues.add_where(rank < 1, "ranks below 1", rank, prefix="rank ")
    issues.add_where(same_user & (rank == previous), "ranks that occur twice", names, prefix="user ")
    gaps = (rank > previous + 1) & (previous >= 0)
    issues.add_where(gaps, "gaps in the ranks from 1 on", names, prefix="user ")
    if beam is not None:
        issues.add_where(rank > beam, f"rows beyond rank {beam}, the beam", names, prefix="user ")
    if scores is not None:
        score = scores[order]
        rises = np.concatenate([[False], score[1:] > score[:-1] + SCORE_ROUNDING]) & same_user
        issues.add_where(rises, "scores that rise with the rank", names, prefix="user ")
