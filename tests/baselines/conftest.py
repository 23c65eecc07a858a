"""A small data set with a pattern that can be learnt: item i is followed by item i + 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mindrec_bench.core.dataset import Dataset


@pytest.fixture(scope="session")
def chain() -> Callable[..., Dataset]:
    """chain(users=..., items=...): users who walk along the items in a circle, with categories on two levels."""

    def make(users: int = 60, items: int = 24) -> Dataset:
        rng = np.random.default_rng(0)
        lengths = rng.integers(4, 15, users)
        walks = [(rng.integers(items) + np.arange(length)) % items for length in lengths]
        number = np.arange(items)
        return Dataset(
            name="chain",
            users=np.arange(users),
            offsets=np.concatenate([[0], np.cumsum(lengths)]),
            items=np.concatenate(walks),
            item_ids=[str(item) for item in number],
            sids=np.stack([number // 6, number % 3, number % 6 // 3, number % 5], axis=1),
            categories=np.stack([number // 12, number // 4 % 3], axis=1),
            fingerprint="chain",
        )

    return make
