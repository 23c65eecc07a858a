"""Codes and the sums they stand for."""

from __future__ import annotations

import numpy as np

from mindrec_bench.tokenizers.quantised import Job, encode, rebuilt


def test_encode_takes_the_nearest_to_what_is_left_at_each_level() -> None:
    rng = np.random.default_rng(0)
    latents, books = rng.standard_normal((20, 3)).astype("f4"), rng.standard_normal((3, 4, 3)).astype("f4")
    given = rng.integers(0, 4, (20, 1))
    found = encode(latents, books, given)
    for latent, row in zip(latents, found, strict=True):
        left = latent - books[0, row[0]]
        for level in (1, 2):
            assert row[level] == np.square(left - books[level]).sum(axis=1).argmin()
            left = left - books[level, row[level]]
    assert (found[:, :1] == given).all()
    first = np.square(latents[:, None] - books[0]).sum(axis=-1).argmin(axis=1)
    assert (encode(latents, books, given[:, :0])[:, 0] == first).all()


def test_rebuilt_sums_the_levels_that_are_given() -> None:
    books = np.array([[[1.0], [2.0]], [[10.0], [20.0]]], dtype="f4")
    codes = np.array([[0, 1], [1, 0]])
    assert rebuilt(books, codes).ravel().tolist() == [21, 12]
    assert rebuilt(books, codes[:, :1]).ravel().tolist() == [1, 2]
    assert rebuilt(books, np.array([[0, 1, 7]])).ravel().tolist() == [21]  # a number that `extra-code` added


def test_a_codebook_has_no_more_codes_than_there_are_items() -> None:
    assert Job(np.zeros((5, 2), dtype="f4")).size == 5
    assert Job(np.zeros((500, 2), dtype="f4"), codes=16).size == 16
