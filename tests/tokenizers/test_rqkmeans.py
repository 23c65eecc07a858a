"""Residual k-means."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from mindrec_bench.tokenizers.quantizer import QuantizationTask, encode, reconstruct
from mindrec_bench.tokenizers.rqkmeans import RqKMeans, residual_k_means


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((200, 6)).astype("f4")


def test_each_level_quantizes_the_residuals(vectors: np.ndarray) -> None:
    codebooks, codes = residual_k_means(torch.from_numpy(vectors), 3, 8, seed=1)
    residuals = torch.from_numpy(vectors)
    for codebook, column in zip(codebooks, codes.T, strict=True):
        assert torch.equal(torch.cdist(residuals, codebook).argmin(dim=1), column)
        for code in range(8):
            torch.testing.assert_close(
                residuals[column == code].mean(dim=0), codebook[code]
            )  # a fixed point of Lloyd's algorithm
        residuals = residuals - codebook[column]


def test_more_levels_lower_the_error(vectors: np.ndarray) -> None:
    quantized = RqKMeans().quantize(QuantizationTask(vectors, n_levels=4, n_codes=8))
    errors = [np.square(vectors - reconstruct(quantized.codebooks, quantized.codes[:, :m])).sum() for m in range(5)]
    assert all(after < 0.9 * before for before, after in pairwise(errors))
    assert (encode(quantized.latents, quantized.codebooks, quantized.codes[:, :0]) == quantized.codes).all()
    assert quantized.decode(vectors) is vectors


def test_the_seed_determines_the_codes(vectors: np.ndarray) -> None:
    codes = [
        RqKMeans().quantize(QuantizationTask(vectors, n_levels=2, n_codes=8, seed=seed)).codes for seed in (1, 1, 2)
    ]
    assert (codes[0] == codes[1]).all()
    assert (codes[0] != codes[2]).any()


def test_rounds_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="rounds is 0"):
        RqKMeans(rounds=0)
