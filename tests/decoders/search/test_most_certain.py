"""How certain a distribution is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mindrec_decoders.search.most_certain import certainty


def test_certainty_is_that_of_the_allowed_codes():
    """Most of slot 0's mass is on other slots' codes, which leaves it uncertain among its own."""
    log_probs = torch.tensor([[0.05, 0.05, 0.0], [0.5, 0.2, 0.1]], dtype=torch.float64).log()
    half, probs = math.log(0.5), np.array([5, 2, 1]) / 8
    assert certainty(log_probs, "entropy").tolist() == pytest.approx([half, (probs * np.log(probs)).sum()])
    assert certainty(log_probs, "confidence").tolist() == pytest.approx([half, math.log(5 / 8)])
    assert certainty(torch.full((1, 3), -math.inf, dtype=torch.float64), "entropy").tolist() == [-math.inf]
