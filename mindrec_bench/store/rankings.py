"""Ranked lists as Arrow tables: the schema of `rankings.parquet`, one row per recommendation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..core.code_space import Int

SCHEMA = pa.schema(
    [
        ("user", pa.int64()),
        ("rank", pa.int32()),
        ("codes", pa.list_(pa.int32())),
        ("score", pa.float64()),
        ("item", pa.string()),
    ]
)
"""User id, rank from 1, code numbers in the canvas's slots, log score, item id or null."""


def rankings_table(
    users: Int, codes: Int, scores: NDArray[np.float64], lengths: Int, items: NDArray[Any] | None = None
) -> pa.Table:
    """Ranked lists as rows, without the padding.

    Args:
        users: user ids. Shape: (U,)
        codes: code numbers in the canvas's slots, best first. Shape: (U, b, T)
        scores: log scores. Shape: (U, b)
        lengths: how many of the b are results. Shape: (U,)
        items: item ids (strings) where they are known, else None. Shape: (U, b)
    """
    _, beam, slots = codes.shape
    is_result = np.arange(beam) < np.asarray(lengths)[:, None]
    row, rank = np.nonzero(is_result)
    flat_codes = pa.array(codes[is_result].astype(np.int32).ravel())
    offsets = np.arange(len(row) + 1, dtype=np.int32) * slots
    item_ids = pa.nulls(len(row), pa.string()) if items is None else pa.array(items[is_result].tolist(), pa.string())
    columns = [
        pa.array(users[row].astype(np.int64)),
        pa.array((rank + 1).astype(np.int32)),
        pa.ListArray.from_arrays(pa.array(offsets), flat_codes),
        pa.array(scores[is_result].astype(np.float64)),
        item_ids,
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def padded_codes(table: pa.Table, users: Int, beam: int, slots: int) -> Int:
    """The code numbers of rankings as one array, -1 in the padding.

    Args:
        table: rankings in `SCHEMA`.
        users: the users to look up; one without rows gets padding only. Shape: (U,)
        beam: b, the longest list.
        slots: T, the slots of the canvas.

    Returns:
        Shape: (U, b, T), int64
    """
    padded = np.full((len(users), beam, slots), -1, dtype=np.int64)
    order = np.argsort(users)
    user = table["user"].to_numpy()
    row = order[np.searchsorted(users, user, sorter=order)]
    flat_codes = table["codes"].combine_chunks().flatten().to_numpy()
    padded[row, table["rank"].to_numpy() - 1] = flat_codes.reshape(-1, slots)
    return padded
