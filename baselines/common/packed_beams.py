"""Beams of a user laid end to end in one sequence, so that all of them read one cache of the user's history.

The cache is neither repeated nor computed again for each beam: B users with K beams of t codes are B sequences of K t
positions, and a mask keeps the beams apart.
"""

from __future__ import annotations

import torch
from torch import Tensor


def beam_mask(beams: int, length: int, device: torch.device) -> Tensor:
    """Which positions see which: a position sees itself and those before it in its own beam.

    Args:
        beams: K.
        length: t, positions a beam.
        device: where the mask is made.

    Returns:
        Row: who sees, column: who is seen. Shape: (K t, K t), bool
    """
    position = torch.arange(beams * length, device=device)
    beam = position // length
    return (beam[:, None] == beam) & (position[:, None] >= position)
