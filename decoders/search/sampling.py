"""Proposals drawn at random instead of the top ones (`propose=sample`; docs/semantics.md, Decoding).

The b largest of log p + Gumbel noise are a sample of b without replacement, with probabilities proportional to p
(Gumbel top-k). The noise is a hash of the seed, the user and what is proposed, not the next number of a generator, so
a user's sample does not depend on the batch or the machine.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mindrec_bench.core.protocols import Canvas
from mindrec_bench.core.random_bits import hash_bits, unsigned_shift

from .scores import stable_topk


def perturb(log_probs: Tensor, slots: Tensor, canvas: Canvas, *, step: int, beam: int) -> Tensor:
    """Log-probabilities plus Gumbel noise on each slot's `beam` best codes, -inf elsewhere.

    Args:
        log_probs: float64. Shape: (B, K, S, V)
        slots: the canvas slots. Shape: (S,)
        canvas: gives the users and the seed.
        step: how many steps came before.
        beam: b.

    Returns:
        Same shape. At least b finite entries per beam, or as many as were finite before.
    """
    _, n_beams, _, n_codes = log_probs.shape
    top = stable_topk(log_probs, beam)
    proposals = torch.full_like(log_probs, -torch.inf).scatter(3, top, log_probs.gather(3, top))
    beams, codes = (torch.arange(size, device=log_probs.device) for size in (n_beams, n_codes))
    users = canvas.users[:, None, None, None]
    return proposals + gumbel_noise(hash_bits(canvas.seed, users, step, beams[:, None, None], slots[:, None], codes))


def gumbel_noise(bits: Tensor) -> Tensor:
    """Standard Gumbel noise from random 64-bit words. Same shape, float64; always finite."""
    uniform = (unsigned_shift(bits, 12).double() + 0.5) / 2**52
    return -torch.log(-torch.log(uniform))
