"""Comparing scores: rounding, ties, and values that are not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mindrec_decoders.search.scores import as_scores, quantise_scores, stable_topk


def test_scores_are_renormalised_over_the_slot_alone_where_asked():
    log_probs = torch.tensor([[0.1, 0.3, 0.0], [0.0, 0.0, 0.0]]).log()
    assert as_scores(log_probs, "vocabulary").dtype == torch.float64
    assert torch.equal(as_scores(log_probs, "vocabulary"), log_probs.double())
    probs = as_scores(log_probs, "slot").exp()
    assert probs[0].tolist() == pytest.approx([0.25, 0.75, 0.0])
    assert probs[1].tolist() == [0.0, 0.0, 0.0]


def test_ties_go_to_the_lower_position():
    scores = torch.zeros(3, 500, dtype=torch.float64)
    scores[1, 400] = 1e-8
    assert stable_topk(scores, 4).tolist() == [[0, 1, 2, 3], [400, 0, 1, 2], [0, 1, 2, 3]]


def test_scores_are_rounded_before_they_are_compared():
    scores = torch.tensor([[-1.0 - 1e-10, -1.0 + 1e-10, -1.0 + 2e-9]], dtype=torch.float64)
    assert stable_topk(scores, 3).tolist() == [[2, 0, 1]]


def test_infinite_and_undefined_scores_come_last():
    scores = torch.tensor([[-math.inf, math.nan, -1e300, -5.0]], dtype=torch.float64)
    assert stable_topk(scores, 4).tolist() == [[3, 2, 0, 1]]


def test_fewer_scores_than_the_count():
    assert stable_topk(torch.tensor([[-2.0, -1.0]], dtype=torch.float64), 5).tolist() == [[1, 0]]


@pytest.mark.parametrize("span", [1, 1000, 10**6])
def test_clamped_scores_still_fit_an_integer(span):
    scores = torch.tensor([-1e300, -math.inf, math.inf, -3.25], dtype=torch.float64)
    lowest, impossible, highest, ordinary = quantise_scores(scores, span).tolist()
    assert impossible < lowest < ordinary == -3_250_000_000 < highest
    assert all(abs(key) * span + span < 2**63 for key in (lowest, impossible, highest))


@pytest.mark.parametrize("span", [2559, 2560, 2561, 5000, 20000])
@pytest.mark.parametrize("count", [1, 10])
def test_ranking_in_groups_equals_a_stable_sort(span, count):
    """With ties, near ties, an incomplete last group, rows with few scores, and values that are not finite."""
    rng = np.random.default_rng(span)
    scores = rng.integers(-5, 5, size=(6, span)) + rng.integers(-2, 3, size=(6, span)) * 4e-10
    scores[rng.random((6, span)) < 0.5] = -math.inf
    scores[1, 3:] = -math.inf
    scores[2] = -math.inf
    scores[3, rng.integers(span, size=300)] = math.nan
    scores[4, -1] = math.inf
    keys = quantise_scores(torch.from_numpy(scores), span)
    expected = keys.sort(dim=1, descending=True, stable=True).indices[:, :count]
    assert torch.equal(stable_topk(torch.from_numpy(scores), count), expected)


def test_random_scores_with_many_ties_equal_a_stable_sort():
    scores = torch.from_numpy(np.random.default_rng(0).integers(-9, 0, size=(50, 300)).astype(float))
    expected = scores.sort(dim=1, descending=True, stable=True).indices
    assert torch.equal(stable_topk(scores, 20), expected[:, :20])
