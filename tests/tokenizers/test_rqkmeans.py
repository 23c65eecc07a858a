"""Residual k-means."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from mindrec_bench.tokenizers.quantised import Job, encode, rebuilt
from mindrec_bench.tokenizers.rqkmeans import RqKMeans, residual_k_means


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((200, 6)).astype("f4")


def test_each_level_codes_what_is_left_over(vectors: np.ndarray) -> None:
    books, codes = residual_k_means(torch.from_numpy(vectors), 3, 8, seed=1)
    left = torch.from_numpy(vectors)
    for book, column in zip(books, codes.T, strict=True):
        assert torch.equal(torch.cdist(left, book).argmin(dim=1), column)
        for code in range(8):
            torch.testing.assert_close(left[column == code].mean(dim=0), book[code])  # a fixed point of Lloyd's
        left = left - book[column]


def test_more_levels_leave_less_error(vectors: np.ndarray) -> None:
    found = RqKMeans().quantise(Job(vectors, levels=4, codes=8))
    errors = [np.square(vectors - rebuilt(found.codebooks, found.codes[:, :m])).sum() for m in range(5)]
    assert all(after < 0.9 * before for before, after in pairwise(errors))
    assert (encode(found.latents, found.codebooks, found.codes[:, :0]) == found.codes).all()
    assert found.decode(vectors) is vectors


def test_the_seed_decides(vectors: np.ndarray) -> None:
    codes = [RqKMeans().quantise(Job(vectors, levels=2, codes=8, seed=seed)).codes for seed in (1, 1, 2)]
    assert (codes[0] == codes[1]).all()
    assert (codes[0] != codes[2]).any()


def test_rounds_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="rounds is 0"):
        RqKMeans(rounds=0)
