"""Time the comparison of 10 systems over 5,000 users: all metrics, 10,000 resamples.

Run `python benchmarks/significance.py`; it prints wall time and CPU time. The target is under 10 s of wall time on 2
cores.
"""

from __future__ import annotations

import time

import numpy as np

from mindrec_bench.metrics.accuracy import hr_and_ndcg
from mindrec_bench.metrics.names import RANKING_METRICS
from mindrec_bench.stats.comparison import System, compare
from mindrec_bench.stats.diversity_tests import DIVERSITY_METRICS, code_counts

SYSTEMS, USERS, BEAM, SLOTS, CODES = 10, 5_000, 10, 4, 252


def random_system(seed: int) -> System:
    """A system with a hit rate and a diversity as on Arts."""
    rng = np.random.default_rng(seed)
    ranks = np.where(rng.random(USERS) < 0.06, rng.integers(1, BEAM + 1, USERS), 0).astype(np.int32)
    sids = np.random.default_rng(0).integers(0, CODES, size=(16_000, SLOTS)) + np.arange(SLOTS) * CODES
    items = np.minimum(rng.zipf(1.15, size=(USERS, BEAM)), len(sids)) - 1
    users = np.repeat(np.arange(USERS), BEAM * SLOTS)
    counts = code_counts(users, sids[items].ravel(), USERS, CODES * SLOTS)
    return System(f"system {seed}", np.arange(USERS), hr_and_ndcg(ranks), counts=counts)


def main() -> None:
    """Time one comparison."""
    systems = [random_system(seed) for seed in range(SYSTEMS)]
    wall, cpu = time.perf_counter(), time.process_time()
    compare(systems[0], systems[1:], (*RANKING_METRICS, *DIVERSITY_METRICS))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{SYSTEMS} systems x {USERS:,} users, 10,000 resamples: {wall:.1f} s wall time, {cpu:.1f} s CPU time")


if __name__ == "__main__":
    main()
