"""Which item each result of a ranking is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ..core.code_space import Int
from ..core.dataset import Dataset
from ..store.run_summary import SlotCounts


def result_items(rankings: pa.Table, slots: SlotCounts, dataset: Dataset) -> Int:
    """The item that was ranked, else the lowest that has the semantic ID, else -1.

    Args:
        rankings: with the columns `codes` and `item` of `store.rankings.SCHEMA`. R rows
        slots: of the run.
        dataset: of the run.

    Returns:
        Item indices. Shape: (R,)
    """
    index_of = {id_: index for index, id_ in enumerate(dataset.item_ids)}
    named = rankings["item"].to_pylist()
    items = np.array([-1 if id_ is None else index_of[id_] for id_ in named], dtype=np.int64)
    if slots.are_the_models_own or not len(rankings):
        return items
    space = dataset.space(categories=False)
    flat = rankings["codes"].combine_chunks().flatten().to_numpy()
    sids = flat.reshape(len(rankings), -1)[:, -slots.sid :]
    return np.where(items >= 0, items, space.find(space.from_numbers(sids, space.sid_slots)))
