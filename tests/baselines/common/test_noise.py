"""Noise for training."""

from __future__ import annotations

import numpy as np

from mindrec_baselines.common.noise import uniform


def test_noise_depends_on_seed_stream_and_key_alone() -> None:
    whole = uniform(42, 0, np.arange(1000), 5)
    assert (uniform(42, 0, np.array([999, 3]), 5) == whole[[999, 3]]).all()
    assert (whole >= 0).all()
    assert (whole < 1).all()
    for different in (uniform(43, 0, np.arange(1000), 5), uniform(42, 1, np.arange(1000), 5)):
        assert abs(np.corrcoef(whole.ravel(), different.ravel())[0, 1]) < 0.05
    assert np.abs(np.corrcoef(whole.T) - np.eye(5)).max() < 0.12
    assert np.abs(whole.mean(axis=0) - 0.5).max() < 0.04
