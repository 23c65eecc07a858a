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
"""A row a recommendation: user id, rank from 1, code numbers on the canvas's slots, log score, item id or null."""


def rankings_table(
    users: Int, codes: Int, scores: NDArray[np.float64], lengths: Int, items: NDArray[Any] | None = None
) -> pa.Table:
    """Ranked lists as rows, padding left out.

    Args:
        users: user ids. Shape: (U,)
        codes: code numbers on the canvas's slots, best first. Shape: (U, b, T)
        scores: log scores. Shape: (U, b)
        lengths: how many of the b are results. Shape: (U,)
        items: item ids (strings) where the decoder ranks items, else None. Shape: (U, b)
    """
    _, beam, slots = codes.shape
    filled = np.arange(beam) < np.asarray(lengths)[:, None]
    row, rank = np.nonzero(filled)
    flat = pa.array(codes[filled].astype(np.int32).ravel())
    ends = np.arange(len(row) + 1, dtype=np.int32) * slots
    ids = pa.nulls(len(row), pa.string()) if items is None else pa.array(items[filled].tolist(), pa.string())
    columns = [
        pa.array(users[row].astype(np.int64)),
        pa.array((rank + 1).astype(np.int32)),
        pa.ListArray.from_arrays(pa.array(ends), flat),
        pa.array(scores[filled].astype(np.float64)),
        ids,
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
    flat = table["codes"].combine_chunks().flatten().to_numpy()
    padded[row, table["rank"].to_numpy() - 1] = flat.reshape(-1, slots)
    return padded
