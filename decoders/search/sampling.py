"""Proposals drawn at random instead of the top ones (`propose=sample`; semantics section 4).

The b largest of log p + Gumbel noise are a draw of b without replacement with probabilities proportional to p. The
noise is a hash of who asks for what, not the next number of a generator, so a user's draw does not depend on the batch
or the machine.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mindrec_bench.core.protocols import Canvas

from .scores import best


def perturbed(log_probs: Tensor, slots: Tensor, canvas: Canvas, *, step: int, beam: int) -> Tensor:
    """Log-probabilities plus Gumbel noise on each slot's `beam` best codes, -inf elsewhere.

    Args:
        log_probs: float64. Shape: (B, K, S, V)
        slots: the canvas slots. Shape: (S,)
        canvas: gives the users and the seed.
        step: how many steps came before.
        beam: b.

    Returns:
        Same shape. At least b finite entries a beam, or all that were finite.
    """
    _, n_beams, _, n_codes = log_probs.shape
    top = best(log_probs, beam)
    chosen = torch.full_like(log_probs, -torch.inf).scatter(3, top, log_probs.gather(3, top))
    beams, codes = (torch.arange(size, device=log_probs.device) for size in (n_beams, n_codes))
    parts = (canvas.users[:, None, None, None], step, beams[:, None, None], slots[:, None], codes)
    return chosen + gumbel(hashed(canvas.seed, *parts))


def gumbel(bits: Tensor) -> Tensor:
    """Standard Gumbel noise from random 64-bit integers. Same shape, float64; always finite."""
    uniform = (_shift(bits, 12).double() + 0.5) / 2**52
    return -torch.log(-torch.log(uniform))


def hashed(seed: int, *parts: Tensor | int) -> Tensor:
    """64 random-looking bits for each combination of the parts, which broadcast: chained SplitMix64 steps. int64"""
    state = _mix(torch.tensor(seed))
    for part in parts:
        state = _mix(state + part)
    return state


def _mix(x: Tensor) -> Tensor:
    """The SplitMix64 step (Steele, Lea, Flood 2014) on int64, which wraps as uint64 does."""
    x = x + _signed(0x9E3779B97F4A7C15)
    x = (x ^ _shift(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shift(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shift(x, 31)


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift right, filling with zeros."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _signed(word: int) -> int:
    """The int64 with the bits of this 64-bit word."""
    return word - (1 << 64) if word >> 63 else word
