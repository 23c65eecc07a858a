"""Random numbers as a pure function of (seed, stream, key), so that nothing has to be remembered to repeat them.

Training noise drawn this way depends on the epoch and the example alone, not on the batch or on what was drawn before:
a training that is killed and continued sees the same noise. The mixing function is SplitMix64 (Steele et al., 2014).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mindrec_bench.core.code_space import Int

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform(seed: int, stream: int, keys: Int, count: int) -> NDArray[np.float64]:
    """`count` uniform numbers in [0, 1) for each key.

    Args:
        seed: the run's seed.
        stream: keeps different uses of one seed apart.
        keys: what the numbers belong to, say epoch * examples + example. Shape: (n,)

    Returns:
        Shape: (n, count)
    """
    start = _mix(np.array([seed % 2**64], dtype=np.uint64))
    start = _mix(start + np.array([stream], dtype=np.uint64) * _GOLDEN)
    row = _mix(start + keys.astype(np.uint64) * _GOLDEN)
    bits = _mix(row[:, None] + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN)
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
