"""Entropy and type-token ratio of code counts, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mindrec_bench.metrics.diversity import CodeCounts


def test_a_code_is_its_slot_and_its_index():
    counts = CodeCounts.of(np.array([[0, 0], [0, 1], [-1, -1]]), (2, 2))
    assert counts.counts.tolist() == [2, 0, 1, 1]
    assert (counts.tokens, counts.distinct) == (4, 3)
    assert counts.entropy == pytest.approx(1.5)
    assert (counts.ttr, counts.ttr_bound) == (0.75, 1.0)


def test_a_single_code_has_no_entropy():
    entropy = CodeCounts.of(np.array([[0], [0]]), (3,)).entropy
    assert entropy == 0
    assert math.copysign(1, entropy) == 1


def test_the_bound_on_arts_is_its_codes_over_its_tokens():
    # docs/semantics.md, Metrics: 1,010 codes and 5,000 users x 10 x 4 tokens
    counts = CodeCounts(np.full(1010, 200_000 // 1010))
    assert counts.ttr_bound == pytest.approx(0.00505, abs=2e-5)
