"""The masking of targets."""

from __future__ import annotations

import numpy as np
import pytest

from mindrec_baselines.code_lm.masked_diffusion import mask_targets
from mindrec_baselines.common.noise import uniform


def test_mask_probability_is_uniform_from_p_mask() -> None:
    codes = np.zeros((200_000, 1), dtype=np.int64)
    revealed, weights = mask_targets(codes, uniform(1, 0, np.arange(200_000), 2), 0.6)
    assert (revealed < 0).mean() == pytest.approx(0.8, abs=0.005)
    assert weights[revealed[:, 0] < 0].min() >= 1.0
    assert weights.max() <= 1 / 0.6 + 1e-6
    assert weights.mean() == pytest.approx(1.0, abs=0.005), "unbiased: E[masked / t] = 1"
