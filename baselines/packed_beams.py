"""Beams of a user laid end to end in one sequence, so that all of them read one cache of the user's history.

The cache is neither repeated nor computed again for each beam: B users with K beams of t codes are B sequences of K t
positions, and a mask keeps the beams apart.
"""

from __future__ import annotations

import torch
from torch import Tensor


def beam_mask(beams: int, length: int, device: torch.device, *, done: int = 0) -> Tensor:
    """Which positions see which: a position sees itself and those before it in its own beam.

    Args:
        beams: K.
        length: t, positions a beam that are new.
        device: where the mask is made.
        done: positions a beam that are in the cache, beam by beam.

    Returns:
        Row: who sees, column: who is seen, those in the cache first. Shape: (K t, K done + K t), bool
    """
    beam = torch.arange(beams, device=device)
    position = torch.arange(beams * length, device=device)
    of_new = position // length
    new = (of_new[:, None] == of_new) & (position[:, None] >= position)
    return torch.cat([of_new[:, None] == beam.repeat_interleave(done), new], dim=1)
