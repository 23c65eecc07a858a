"""Codes, and the sums of codewords that they stand for."""

from __future__ import annotations

import numpy as np

from mindrec_bench.tokenizers.quantizer import QuantizationTask, encode, reconstruct


def test_each_level_takes_the_codeword_nearest_to_the_residual() -> None:
    rng = np.random.default_rng(0)
    latents, codebooks = rng.standard_normal((20, 3)).astype("f4"), rng.standard_normal((3, 4, 3)).astype("f4")
    prefix = rng.integers(0, 4, (20, 1))
    codes = encode(latents, codebooks, prefix)
    for latent, row in zip(latents, codes, strict=True):
        residual = latent - codebooks[0, row[0]]
        for level in (1, 2):
            assert row[level] == np.square(residual - codebooks[level]).sum(axis=1).argmin()
            residual = residual - codebooks[level, row[level]]
    assert (codes[:, :1] == prefix).all()
    first = np.square(latents[:, None] - codebooks[0]).sum(axis=-1).argmin(axis=1)
    assert (encode(latents, codebooks, prefix[:, :0])[:, 0] == first).all()


def test_reconstruct_sums_the_given_levels() -> None:
    codebooks = np.array([[[1.0], [2.0]], [[10.0], [20.0]]], dtype="f4")
    codes = np.array([[0, 1], [1, 0]])
    assert reconstruct(codebooks, codes).ravel().tolist() == [21, 12]
    assert reconstruct(codebooks, codes[:, :1]).ravel().tolist() == [1, 2]
    assert reconstruct(codebooks, np.array([[0, 1, 7]])).ravel().tolist() == [21]  # a code that `extra-code` added


def test_a_codebook_has_at_most_one_codeword_per_item() -> None:
    assert QuantizationTask(np.zeros((5, 2), dtype="f4")).codebook_size == 5
    assert QuantizationTask(np.zeros((500, 2), dtype="f4"), n_codes=16).codebook_size == 16
