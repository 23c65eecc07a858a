"""SplitMix64 against its published values, a plain computation, and the numbers of both uses, which must not change."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mindrec_baselines.common.noise import uniform
from mindrec_bench.core.random_bits import GOLDEN_GAMMA, hash_bits, int64_word, mix64, splitmix64, unsigned_shift
from mindrec_decoders.search.sampling import gumbel_noise

PUBLISHED = {
    0: (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC, 0x1B39896A51A8749B),
    1234567: (
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ),
}
"""Seed -> the first numbers of the reference implementation (Vigna's `splitmix64.c`)."""

WORD = 2**64 - 1


def unsigned(words: torch.Tensor) -> list[int]:
    return [word & WORD for word in words.flatten().tolist()]


def plain_mix(word: int) -> int:
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & WORD
    return word ^ (word >> 31)


@pytest.mark.parametrize("seed", PUBLISHED)
def test_published_values(seed):
    states = seed + torch.arange(len(PUBLISHED[seed])) * GOLDEN_GAMMA
    assert unsigned(splitmix64(states)) == list(PUBLISHED[seed])


def test_mix_equals_integer_arithmetic_without_a_word_size():
    words = [0, 1, WORD, 2**63, 2**63 - 1, *np.random.default_rng(0).integers(0, WORD, 200, np.uint64).tolist()]
    mixed = mix64(torch.tensor([int64_word(word) for word in words]))
    assert unsigned(mixed) == [plain_mix(word) for word in words]


@pytest.mark.parametrize(
    ("value", "word"),
    [(0, 0), (2**63 - 1, 2**63 - 1), (2**63, -(2**63)), (2**64 - 1, -1), (-1, -1), (2**64 + 5, 5)],
)
def test_int64_word(value, word):
    assert int64_word(value) == word


@pytest.mark.parametrize("bits", [1, 11, 63])
def test_shifts_fill_with_zeros(bits):
    words = torch.tensor([-1, -(2**63), 2**63 - 1, 0])
    assert unsigned(unsigned_shift(words, bits)) == [word >> bits for word in unsigned(words)]


def test_hash_bits_chains_one_step_per_part():
    state = plain_mix((7 + GOLDEN_GAMMA) & WORD)
    for part in (3, 2**40):
        state = plain_mix((state + part + GOLDEN_GAMMA) & WORD)
    assert unsigned(hash_bits(7, 3, torch.tensor([2**40]))) == [state]
    assert torch.equal(hash_bits(2**64 + 7, 3), hash_bits(7, 3))


def test_the_bits_of_sampled_proposals_stay():
    bits = hash_bits(42, torch.tensor([0, 7, 2**40]), 3, torch.tensor([[1], [9]]))
    assert bits.tolist() == [
        [3113518395922610289, -6511071022523110725, 7546119013152010505],
        [3685472812805132675, 278359373913846291, -891928919289810150],
    ]
    assert gumbel_noise(bits).flatten().tolist() == pytest.approx(
        [
            -0.5761269978405232,
            0.8315906619192004,
            0.11221228121870001,
            -0.47653789505834127,
            -1.4335905932968764,
            3.0045792551317425,
        ],
        rel=1e-14,
    )
    assert (hash_bits(0).item(), hash_bits(-1, -1).item()) == (-2152535657050944081, 5860843724407469298)


def test_the_numbers_of_training_noise_stay():
    assert uniform(42, 1, np.array([0, 7, 2**40]), 3).tolist() == [
        [0.2024490317852523, 0.7970380407182512, 0.6454144763169272],
        [0.21707728872515164, 0.9396906519955153, 0.6154856455784565],
        [0.5170693802440127, 0.20201197426344597, 0.7970748657404001],
    ]
    assert uniform(-1, 0, np.array([5], dtype=np.int32), 2).tolist() == [[0.5516352047657497, 0.4084818561511445]]
