"""Random bits as a pure function of their inputs: SplitMix64 on int64 words (Steele, Lea and Flood, 2014).

Noise made from a hash of what it belongs to (seed, user, step, ...) does not depend on the batch, on the machine or on
what was drawn before, so that interrupted work continues with the same noise. Torch has no uint64 arithmetic; words are
int64 tensors, whose additions and multiplications wrap in the same way. Everything runs on the device of its arguments.
`mix64` takes NumPy arrays too, and the module imports no torch, so that an import of data does without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Words = TypeVar("Words", "Tensor", NDArray[np.int64])


def int64_word(value: int) -> int:
    """The int64 that has the lowest 64 bits of an integer of any size."""
    word = value % 2**64
    return word - 2**64 if word >> 63 else word


GOLDEN_GAMMA = int64_word(0x9E3779B97F4A7C15)
"""How far the state of a SplitMix64 generator moves for each number it gives."""

_MULTIPLIERS = int64_word(0xBF58476D1CE4E5B9), int64_word(0x94D049BB133111EB)


def splitmix64(state: Tensor) -> Tensor:
    """The number that a SplitMix64 generator gives next; its state moves on by `GOLDEN_GAMMA`.

    Args:
        state: int64, any shape.

    Returns:
        64 random-looking bits each. Same shape, int64
    """
    return mix64(state + GOLDEN_GAMMA)


def mix64(words: Words) -> Words:
    """The output function of SplitMix64: a bijection in which every bit depends on all others. Same shape, int64"""
    words = (words ^ unsigned_shift(words, 30)) * _MULTIPLIERS[0]
    words = (words ^ unsigned_shift(words, 27)) * _MULTIPLIERS[1]
    return words ^ unsigned_shift(words, 31)


def hash_bits(seed: int, *parts: Tensor | int) -> Tensor:
    """64 random-looking bits for each combination of the parts, by one SplitMix64 step per part.

    Args:
        seed: any integer; its lowest 64 bits count.
        parts: integers, or int64 tensors that broadcast. Their order matters.

    Returns:
        The broadcast shape of the parts, int64
    """
    import torch

    state = splitmix64(torch.tensor(int64_word(seed)))
    for part in parts:
        state = splitmix64(state + part)
    return state


def unsigned_shift(words: Words, bits: int) -> Words:
    """Shift right by 1 to 63 bits, filling with zeros. Same shape, int64"""
    return (words >> bits) & ((1 << (64 - bits)) - 1)
