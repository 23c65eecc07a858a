"""The attention mask of beams that are packed end to end in one sequence, so that all of them share one cache.

The cache of a user's history is neither repeated nor computed again for each beam: B users with K beams of t codes are
B sequences of K t positions, and the mask keeps the beams apart.
"""

from __future__ import annotations

import torch
from torch import Tensor


def beam_mask(beams: int, length: int, device: torch.device, *, causal: bool = True) -> Tensor:
    """The mask inside each beam: a position attends to positions of its own beam.

    Args:
        beams: K.
        length: t, the positions of one beam.
        device: where the mask is created.
        causal: a position attends to itself and to earlier ones only.

    Returns:
        Rows attend to columns. Shape: (K t, K t), bool
    """
    position = torch.arange(beams * length, device=device)
    beam = position // length
    same = beam[:, None] == beam
    return same & (position[:, None] >= position) if causal else same
