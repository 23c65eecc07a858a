"""Per-user differences for the tests of significance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def ndcg_differences() -> Callable[..., np.ndarray]:
    """ndcg_differences(users, columns, seed): differences with many ties and zeros, as NDCG has them."""

    def draw(users: int, columns: int, seed: int, effect: float = 0.0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        gains = np.array([0, 0, 0, 1.0, 1 / np.log2(3), 0.5, 1 / np.log2(11)])
        a, b = (gains[rng.integers(0, len(gains), size=(users, columns))] for _ in range(2))
        return a - b + effect * rng.random((users, columns))

    return draw
