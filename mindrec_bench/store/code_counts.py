"""How often each user was recommended each code: what the tests of Entropy and TTR need of the rankings."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

SCHEMA = pa.schema([("user", pa.int64()), ("slot", pa.int32()), ("code", pa.int32()), ("count", pa.int32())])
"""User id, slot of the item's ID (from 0), code number, and in how many of the user's results it is."""

_CODE_BITS = 32
"""A slot and a code are packed into one number."""


def count_codes(rankings: pa.Table, slots: int) -> pa.Table:
    """Count the codes of rankings, categories excluded.

    Args:
        rankings: with the columns `user` and `codes` of `rankings.SCHEMA`.
        slots: how many slots an item's ID has; they are the last of the canvas.

    Returns:
        In `SCHEMA`, sorted by user, slot and code.
    """
    flat = rankings["codes"].combine_chunks().flatten().to_numpy().astype(np.int64)
    codes = flat.reshape(len(rankings), -1)[:, -slots:] if len(rankings) else np.zeros((0, slots), dtype=np.int64)
    users, user = np.unique(rankings["user"].to_numpy(), return_inverse=True)
    packed = ((user[:, None] * slots + np.arange(slots)) << _CODE_BITS) | codes
    packed, counts = np.unique(packed[codes >= 0], return_counts=True)  # a model's own IDs may end before the last slot
    user_slot, code = packed >> _CODE_BITS, packed & ((1 << _CODE_BITS) - 1)
    columns = [users[user_slot // slots], user_slot % slots, code, counts]
    return pa.table([pa.array(column) for column in columns], names=SCHEMA.names).cast(SCHEMA)
