"""Uniform random numbers as a pure function of (seed, stream, key).

Training noise drawn this way depends on the epoch and the example alone, not on the batch or on earlier draws: a
training run that is interrupted and resumed sees the same noise.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from mindrec_bench.core.code_space import Int
from mindrec_bench.core.random_bits import GOLDEN_GAMMA, int64_word, mix64, splitmix64, unsigned_shift


def uniform(seed: int, stream: int, keys: Int, count: int) -> NDArray[np.float64]:
    """Draw `count` uniform numbers in [0, 1) for each key.

    Args:
        seed: the run's seed.
        stream: separates different uses of one seed.
        keys: what the numbers belong to, for example epoch * examples + example. Shape: (n,)
        count: numbers per key.

    Returns:
        Shape: (n, count)
    """
    generators = mix64(torch.from_numpy(keys.astype(np.int64, copy=False)) * GOLDEN_GAMMA + _state(seed, stream))
    bits = splitmix64(generators[:, None] + torch.arange(count) * GOLDEN_GAMMA)
    return (unsigned_shift(bits, 11).double() * 2.0**-53).numpy()


@cache
def _state(seed: int, stream: int) -> int:
    """The same for every batch of a training run."""
    state = mix64(torch.tensor(int64_word(seed))) + torch.tensor(stream) * GOLDEN_GAMMA
    return int(mix64(state))
