"""Speed of small cases, by pytest-benchmark: `python -m pytest benchmarks/suite` (not part of the tests).

Each case takes seconds; `baseline.json` has the times that they are compared with (see CONTRIBUTING.md).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mindrec_bench.bench.cases import BenchmarkGrid, BenchmarkOptions, make_cases
from mindrec_bench.core.code_space import MASK
from mindrec_bench.core.constraint import CatalogueConstraint
from mindrec_bench.experiment.batch_decoder import Meter
from mindrec_bench.metrics.lists import Catalogue, score_lists
from mindrec_bench.stats.diversity_tests import code_counts, swap_test
from mindrec_bench.stats.paired_tests import randomisation_test
from mindrec_bench.stats.resampling import bootstrap_means
from mindrec_bench.testing import random_space

OPTIONS = BenchmarkOptions("arts-sim:items=1000", "tiny", "none", "slots", 42, "cpu", None)
USERS, BEAM = 2_000, 10


@pytest.mark.parametrize("decoder", ["bs", "dbs-dedup", "dbs-penalty", "n-per-step:n=2", "adaptive"])
def test_decode_a_batch_with_llada(benchmark, decoder):
    decode(benchmark, "llada", decoder)


@pytest.mark.parametrize(
    ("model", "decoder"), [("llama3", "ar-beam"), ("markov", "dbs-penalty"), ("pop", "rank-items")]
)
def test_decode_a_batch(benchmark, model, decoder):
    decode(benchmark, model, decoder)


def decode(benchmark, model, decoder):
    (case,) = make_cases(BenchmarkGrid((model,), (decoder,), (BEAM,), (16,), (10,)), OPTIONS)
    benchmark(lambda: list(case.batch_decoder.decode_batches(case.examples, Meter())))


def test_metrics(benchmark):
    space = random_space((256,) * 4, 10_000)
    rng = np.random.default_rng(0)
    lists = space.item_codes[rng.integers(10_000, size=(USERS, BEAM))]
    catalogue, targets = Catalogue(space, np.ones(10_000, dtype=np.int64)), rng.integers(10_000, size=USERS)
    columns, _ = benchmark(score_lists, lists, targets, catalogue)
    assert len(columns["hit_rank"]) == USERS


def test_randomisation_and_bootstrap(benchmark):
    differences = np.random.default_rng(0).normal(size=(USERS, 4))
    benchmark(lambda: (randomisation_test(differences, resamples=1_000), bootstrap_means(differences, resamples=1_000)))


def test_swaps_of_lists(benchmark):
    rng, users = np.random.default_rng(0), np.repeat(np.arange(USERS), BEAM * 4)
    first, second = (code_counts(users, rng.integers(1_024, size=len(users)), USERS, 1_024) for _ in range(2))
    benchmark(lambda: swap_test(first, [second], resamples=200))


def test_constraint(benchmark):
    items = torch.from_numpy(random_space((256,) * 4, 10_000).item_codes)
    constraint = CatalogueConstraint(items, (256,) * 4).at([], range(4))
    codes = items[: 16 * BEAM].reshape(16, BEAM, 4).clone()
    codes[:, :, 2:] = MASK
    constraint.allowed(codes)  # the first call builds the tables
    benchmark(constraint.allowed, codes)
